/* Data on the page of the code that stores to it, and, to compare with, on another page. */
#include "bench.h"
#include "code.h"

enum { PAGE = 4096 };

static u8 pages[2 * PAGE] APART;

extern const u8 counting_loop[], counting_loop_end[];

/* r3 = a doubleword to count in, r4 = how often; 5 instructions a round; returns the count. */
__asm__(".globl counting_loop, counting_loop_end\n"
        "counting_loop:\n"
        "    mtctr 4\n"
        "1:  ld 5,0(3)\n"
        "    addi 5,5,3\n"
        "    xor 6,5,4\n"
        "    std 5,0(3)\n"
        "    bdnz 1b\n"
        "    add 3,5,6\n"
        "    blr\n"
        "counting_loop_end:\n");

static u64 count(u64 units, u64 offset)
{
    u64 (*const loop)(void *, u64) = (void *)(u64)pages;
    u64 sum = 0;

    memcpy(pages, counting_loop, (u64)(counting_loop_end - counting_loop));
    make_executable(pages);
    while (units--)
        sum = mix(sum, loop(pages + offset, 2000));
    return sum;
}

u64 data_on_the_codes_page(u64 units)
{
    return count(units, PAGE / 2);
}

u64 data_elsewhere(u64 units)
{
    return count(units, PAGE + PAGE / 2);
}
