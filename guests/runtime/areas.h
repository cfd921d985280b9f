/* The areas a virtual processor shares with its hypervisor: their layouts, and H_REGISTER_VPA.
 * Every field is big-endian, whatever order the guest runs in: BE16, BE32, BE64. */
#ifndef AREAS_H
#define AREAS_H
#include "bytes.h"

/* The virtual processor area (VPA, Linux's lppaca): the fields a guest uses. */
struct vpa {
    u32 descriptor;
    u16 size;
    u8 reserved_006[3];
    u8 old_status;                /* hypervisor: VPA_SHARED_PROCESSOR */
    u8 reserved_00a[0xb8 - 0x0a];
    u8 dtl_enable_mask;
    u8 donate_dedicated_cpu;
    u8 fpregs_in_use;
    u8 pmcregs_in_use;
    u8 reserved_0bc[0xfc - 0xbc];
    u16 slb_count;
    u8 idle;
    u8 vmxregs_in_use;
    u32 yield_count;              /* hypervisor: even while the processor is dispatched */
    u8 reserved_104[0x218 - 0x104];
    u64 dtl_idx;                  /* hypervisor: entries ever logged */
    u8 reserved_220[0x400 - 0x220];
};

enum { VPA_DESCRIPTOR = 0xd397d781, VPA_SHARED_PROCESSOR = 0x02, VPA_SIZE_LINUX = 1024 };

struct slb_shadow {
    u32 persistent;
    u32 buffer_length;
    u64 reserved_008;
    u64 entries[14];              /* ESID and VSID words of 7 entries */
};

struct dtl_entry {
    u8 dispatch_reason;
    u8 preempt_reason;
    u16 processor_id;
    u32 enqueue_to_dispatch_time;
    u32 ready_to_enqueue_time;
    u32 waiting_to_ready_time;
    u64 timebase;
    u64 fault_address;
    u64 srr0;
    u64 srr1;
};

enum { DTL_SIZE_LINUX = 4096, DTL_LOG_ALL = 7 };

/* H_REGISTER_VPA's sub-functions, where the flags word has them. */
#define REGISTER_VPA (1ul << 45)
#define REGISTER_DTL (2ul << 45)
#define REGISTER_SLB_SHADOW (3ul << 45)
#define DEREGISTER_VPA (5ul << 45)
#define DEREGISTER_DTL (6ul << 45)
#define DEREGISTER_SLB_SHADOW (7ul << 45)

/* One processor's three areas, in guest memory. */
struct areas {
    volatile struct vpa *vpa;
    volatile struct slb_shadow *slb_shadow;
    volatile struct dtl_entry *dtl;
};

struct area_statuses {
    long vpa, slb_shadow, dtl;
};

/* H_REGISTER_VPA for the processor with that server number. */
long register_vpa(u64 subfunction, u32 server, volatile void *area);

/* Clears the areas and writes what Linux writes into them before it registers them. */
void areas_prepare(const struct areas *areas);

/* Registers, or deregisters, in the order PAPR asks for. */
struct area_statuses areas_register(const struct areas *areas, u32 server);
struct area_statuses areas_deregister(u32 server);

static inline u32 yield_count(const struct areas *areas)
{
    return BE32(areas->vpa->yield_count);
}

static inline u64 dtl_idx(const struct areas *areas)
{
    return BE64(areas->vpa->dtl_idx);
}
#endif
