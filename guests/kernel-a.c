/* kernel-a: registers the areas of every cpu, works, and reboots without unregistering them. */
#include "console.h"
#include "old-kernel.h"
#include "rtas.h"

enum { FOR_GOOD = 0x7fffffff };

void guest(void)
{
    old_kernel("kernel A", FOR_GOOD);
    printf("kernel A: reboots, with its areas still registered\n");
    rtas_system_reboot();
}
