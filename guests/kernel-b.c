/* kernel-b: lays page tables where kernel-a had its areas, starts every cpu, and checks each word. */
#include "console.h"
#include "cpus.h"
#include "new-kernel.h"
#include "tree.h"

enum { TICKS = 51200 };

static volatile u64 online[MAX_CPUS];

static void sleep_on_and_on(u64 cpu)
{
    online[cpu] = 1;
    for (;;)
        cede(TICKS);
}

void guest(void)
{
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        must_start_cpu(cpu, sleep_on_and_on);
        cede_until(&online[cpu], 1, TICKS);
    }
    new_kernel_lay_tables("kernel B");
    new_kernel_check_tables();
    new_kernel_report("kernel B");
}
