/* hello-be, hello-le: the console, the device tree, and a decrementer interrupt out of H_CEDE. */
#include "console.h"
#include "cpus.h"
#include "tree.h"

static const char *byte_order(void)
{
    const u16 one = 1;

    return *(const u8 *)&one ? "little" : "big";
}

void guest(void)
{
    enum { TICKS = 512 };
    u64 before = timebase();

    printf("hello from a %s-endian guest\n", byte_order());
    printf("device tree: %u cpu%s, time base %u MHz\n", tree.cpus, tree.cpus == 1 ? "" : "s",
           tree.timebase_frequency / 1000000);
    if (tree.bootargs[0])
        printf("bootargs: %s\n", tree.bootargs);
    cede(TICKS);
    printf("slept in H_CEDE: %lu decrementer interrupt, %s\n", decrementer_interrupts(),
           timebase() - before >= TICKS ? "time has passed" : "too early");
    printf("goodbye\n");
}
