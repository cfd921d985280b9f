/* Kernel A: the kernel that registers its cpus' areas and does not come to unregister them. */
#ifndef OLD_KERNEL_H
#define OLD_KERNEL_H
#include "areas.h"

/* Where it keeps them: at fixed addresses that the next kernel is sure to use for something else. */
#define AREAS_ADDRESS 0x600000ul
enum { AREAS_STRIDE = 0x4000, SLB_SHADOW_OFFSET = 0x400, DTL_OFFSET = 0x1000 };

/* Starts every cpu; each registers its own three areas and works some rounds; says what was
 * registered. The other cpus then sleep in H_CEDE, `idle_ticks` at a time. */
void old_kernel(const char *name, u32 idle_ticks);

/* Cpu `cpu` has slept at least so often since it has nothing left to do. */
extern volatile u64 old_kernel_idle[];
#endif
