#include "areas.h"
#include "hcall.h"

_Static_assert(__builtin_offsetof(struct vpa, dtl_enable_mask) == 0xb8, "LoPAR, virtual processor area");
_Static_assert(__builtin_offsetof(struct vpa, slb_count) == 0xfc, "LoPAR, virtual processor area");
_Static_assert(__builtin_offsetof(struct vpa, yield_count) == 0x100, "LoPAR, virtual processor area");
_Static_assert(__builtin_offsetof(struct vpa, dtl_idx) == 0x218, "LoPAR, virtual processor area");
_Static_assert(sizeof(struct vpa) == VPA_SIZE_LINUX, "the size Linux advertises");
_Static_assert(sizeof(struct slb_shadow) == 0x80, "one cache line");
_Static_assert(sizeof(struct dtl_entry) == 48, "LoPAR, dispatch trace log entry");

long register_vpa(u64 subfunction, u32 server, volatile void *area)
{
    return hcall(H_REGISTER_VPA, subfunction, (u64)server, (u64)area);
}

static void clear(volatile void *area, u64 length)
{
    volatile u64 *word = area;

    for (u64 i = 0; i < length / 8; i++)
        word[i] = 0;
}

void areas_prepare(const struct areas *areas)
{
    clear(areas->vpa, sizeof *areas->vpa);
    areas->vpa->descriptor = BE32(VPA_DESCRIPTOR);
    areas->vpa->size = BE16(VPA_SIZE_LINUX);
    areas->vpa->fpregs_in_use = 1;
    areas->vpa->slb_count = BE16(64);
    areas->vpa->dtl_enable_mask = DTL_LOG_ALL;

    clear(areas->slb_shadow, sizeof *areas->slb_shadow);
    areas->slb_shadow->buffer_length = BE32(sizeof *areas->slb_shadow);

    /* The length lies in the first entry, where the hypervisor will log over it. */
    clear(areas->dtl, DTL_SIZE_LINUX);
    areas->dtl->enqueue_to_dispatch_time = BE32(DTL_SIZE_LINUX);
}

struct area_statuses areas_register(const struct areas *areas, u32 server)
{
    struct area_statuses statuses;

    statuses.vpa = register_vpa(REGISTER_VPA, server, areas->vpa);
    statuses.slb_shadow = register_vpa(REGISTER_SLB_SHADOW, server, areas->slb_shadow);
    statuses.dtl = register_vpa(REGISTER_DTL, server, areas->dtl);
    return statuses;
}

struct area_statuses areas_deregister(u32 server)
{
    struct area_statuses statuses;

    statuses.dtl = register_vpa(DEREGISTER_DTL, server, 0);
    statuses.slb_shadow = register_vpa(DEREGISTER_SLB_SHADOW, server, 0);
    statuses.vpa = register_vpa(DEREGISTER_VPA, server, 0);
    return statuses;
}
