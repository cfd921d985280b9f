/* crash-kexec: kernel A crashes and jumps into kernel B: no reset, nothing unregistered, the other
 * cpus left where the crash found them. With `cure` in bootargs kernel B deregisters the areas of
 * every vcpu before it uses memory. */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "new-kernel.h"
#include "old-kernel.h"
#include "tree.h"

enum { TICKS = 51200 };

/* A vcpu that is in the guest goes on using its areas until its next entry, and its exit counts in
 * the old VPA: only when it has slept twice more has it let go of them. */
static void wait_for_entry(u64 cpu)
{
    u64 slept = old_kernel_idle[cpu];

    while (old_kernel_idle[cpu] < slept + 2)
        cede(TICKS);
}

static void deregister_all(void)
{
    for (u64 cpu = 0; cpu < tree.cpus; cpu++) {
        struct area_statuses statuses = areas_deregister(tree.servers[cpu]);

        printf("kernel B: cpu %lu: deregister DTL %s, SLB shadow %s, VPA %s\n", cpu,
               status_name(statuses.dtl), status_name(statuses.slb_shadow), status_name(statuses.vpa));
        if (cpu != 0)
            wait_for_entry(cpu);
    }
}

static void kernel_b(void)
{
    if (bootarg("cure"))
        deregister_all();
    new_kernel_lay_tables("kernel B");
    new_kernel_check_tables();
    new_kernel_report("kernel B");
}

void guest(void)
{
    old_kernel("kernel A", TICKS);
    printf("kernel A: crashes into kernel B, with its areas still registered\n");
    kernel_b();
}
