#include "old-kernel.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "tree.h"

enum { ROUNDS = 8, WORK = 200, TICKS = 512 };

volatile u64 old_kernel_idle[MAX_CPUS];

static u32 ticks_when_idle;
static u64 rounds;
static struct area_statuses statuses[MAX_CPUS];
static volatile u64 ready[MAX_CPUS];
static volatile u64 work_done[MAX_CPUS];

static struct areas areas_of(u64 cpu)
{
    u64 base = AREAS_ADDRESS + cpu * AREAS_STRIDE;

    return (struct areas){
        .vpa = (void *)base,
        .slb_shadow = (void *)(base + SLB_SHADOW_OFFSET),
        .dtl = (void *)(base + DTL_OFFSET),
    };
}

static void register_and_work(u64 cpu)
{
    struct areas areas = areas_of(cpu);

    areas_prepare(&areas);
    statuses[cpu] = areas_register(&areas, tree.servers[cpu]);
    for (u64 round = 0; round < rounds; round++) {
        for (u64 i = 0; i < WORK; i++)
            work_done[cpu]++;
        cede(TICKS);
    }
}

static void secondary(u64 cpu)
{
    register_and_work(cpu);
    barrier();
    ready[cpu] = 1;
    for (;;) {
        cede(ticks_when_idle);
        old_kernel_idle[cpu]++;
    }
}

static void report(const char *name, u64 cpu)
{
    struct areas areas = areas_of(cpu);

    printf("%s: cpu %lu: VPA 0x%lx %s, SLB shadow 0x%lx %s, DTL 0x%lx %s\n", name, cpu,
           (u64)areas.vpa, status_name(statuses[cpu].vpa), (u64)areas.slb_shadow,
           status_name(statuses[cpu].slb_shadow), (u64)areas.dtl, status_name(statuses[cpu].dtl));
    if (bootarg("numbers"))
        printf("%s: cpu %lu: yield count %u, dtl_idx %lu\n", name, cpu, yield_count(&areas),
               dtl_idx(&areas));
}

void old_kernel(const char *name, u32 idle_ticks)
{
    ticks_when_idle = idle_ticks;
    rounds = bootarg_number("rounds", ROUNDS);
    printf("%s: %u cpu%s\n", name, tree.cpus, tree.cpus == 1 ? "" : "s");
    for (u64 cpu = 1; cpu < tree.cpus; cpu++)
        must_start_cpu(cpu, secondary);
    register_and_work(0);
    for (u64 cpu = 1; cpu < tree.cpus; cpu++)
        cede_until(&ready[cpu], 1, TICKS);
    for (u64 cpu = 0; cpu < tree.cpus; cpu++)
        report(name, cpu);
}
