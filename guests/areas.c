/* areas: the three areas of the boot cpu, from registering them wrongly to deregistering them.
 * Lines that begin with "log:" depend on a hypervisor that writes the dispatch trace log. */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "tree.h"

/* Time enough to be asleep before it is over, on a hypervisor whose clock is a real one. */
enum { TICKS = 5120000 };

enum { PAGE = 4096, CEDES = 4 };

static u8 memory[3 * PAGE] __attribute__((aligned(PAGE)));

static const struct areas areas = {
    .vpa = (void *)memory,
    .slb_shadow = (void *)(memory + VPA_SIZE_LINUX),
    .dtl = (void *)(memory + PAGE),
};

static void try(const char *what, u64 subfunction, u32 server, volatile void *area)
{
    printf("%s: %s\n", what, status_name(register_vpa(subfunction, server, area)));
}

/* A VPA of that size in the last cache line but `lines` of the spare page. */
static volatile void *vpa_at_page_end(u64 lines, u16 size)
{
    volatile struct vpa *vpa = (void *)(memory + sizeof memory - 128 * lines);

    vpa->size = BE16(size);
    return vpa;
}

static void bad_arguments(u32 self)
{
    enum { NO_SUCH_SERVER = 0x7777, SMALLEST_VPA = 640 };

    areas_prepare(&areas);
    try("register a DTL before the VPA", REGISTER_DTL, self, areas.dtl);
    try("register an SLB shadow before the VPA", REGISTER_SLB_SHADOW, self, areas.slb_shadow);
    try("register nothing (sub-function 0)", 0, self, areas.vpa);
    try("register a VPA off a cache line", REGISTER_VPA, self, (volatile u8 *)areas.vpa + 64);
    try("register a VPA beyond memory", REGISTER_VPA, self, (void *)(tree.memory_size + PAGE));
    try("register a VPA of 639 bytes", REGISTER_VPA, self, vpa_at_page_end(5, SMALLEST_VPA - 1));
    try("register a VPA across a page", REGISTER_VPA, self, vpa_at_page_end(4, SMALLEST_VPA));
    try("register a VPA of no vcpu", REGISTER_VPA, NO_SUCH_SERVER, areas.vpa);
    try("deregister a VPA that is not there", DEREGISTER_VPA, self, 0);
}

static void registered(u32 self)
{
    struct area_statuses statuses = areas_register(&areas, self);

    printf("register the VPA: %s\n", status_name(statuses.vpa));
    printf("register the SLB shadow: %s\n", status_name(statuses.slb_shadow));
    printf("register the DTL: %s\n", status_name(statuses.dtl));
    memory[2 * PAGE + 7] = 47;
    try("register a DTL of 47 bytes", REGISTER_DTL, self, memory + 2 * PAGE);
    printf("shared processor: %s\n", areas.vpa->old_status & VPA_SHARED_PROCESSOR ? "yes" : "no");
}

static void show_log(void)
{
    enum { SHOWN = 3 };
    u64 logged = dtl_idx(&areas);

    if (logged == 0) {
        printf("log: not written by this hypervisor\n");
        return;
    }
    printf("log: first entries of at least %u\n", CEDES);
    for (u64 i = 0; i < SHOWN; i++) {
        volatile struct dtl_entry *entry = areas.dtl + i;

        printf("log: dispatch reason %u, preempt reason %u, processor %u, srr0 0x%lx, srr1 0x%lx\n",
               entry->dispatch_reason, entry->preempt_reason, BE16(entry->processor_id),
               BE64(entry->srr0), BE64(entry->srr1));
    }
    printf("log: %s, time base %s\n", logged >= CEDES ? "an entry for each H_CEDE" : "entries missing",
           BE64(areas.dtl[1].timebase) > BE64(areas.dtl[0].timebase) ? "rising" : "not rising");
}

static void cedes(void)
{
    for (u64 i = 0; i < CEDES; i++) {
        u32 before = yield_count(&areas);

        cede(TICKS);
        u32 after = yield_count(&areas);
        printf("H_CEDE: yield count %s and %s\n", after > before ? "has grown" : "is the same",
               after & 1 ? "odd" : "even");
    }
    if (bootarg("numbers"))
        printf("yield count %u, dtl_idx %lu\n", yield_count(&areas), dtl_idx(&areas));
}

static u64 sum_of_areas(void)
{
    const volatile u64 *word = (void *)memory;
    u64 sum = 0;

    for (u64 i = 0; i < sizeof memory / 8; i++)
        sum = (sum << 1 | sum >> 63) + word[i];
    return sum;
}

static void deregistered(u32 self)
{
    try("deregister the VPA first", DEREGISTER_VPA, self, 0);
    try("deregister the SLB shadow", DEREGISTER_SLB_SHADOW, self, 0);
    try("deregister the VPA before the DTL", DEREGISTER_VPA, self, 0);
    try("deregister the DTL", DEREGISTER_DTL, self, 0);
    try("deregister the VPA", DEREGISTER_VPA, self, 0);
    u64 before = sum_of_areas();

    cede(TICKS);
    printf("H_CEDE: %s\n", sum_of_areas() == before ? "nothing written" : "still written");
}

void guest(void)
{
    bad_arguments(tree.boot_server);
    registered(tree.boot_server);
    cedes();
    show_log();
    deregistered(tree.boot_server);
}
