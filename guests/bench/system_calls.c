/* System calls: sc to the vector at 0xc00, which counts in r3, and rfid back. */
#include "bench.h"
#include "code.h"

enum { SYSTEM_CALL = 0xc00, RFID = 0x4c000024 };

u64 system_calls(u64 units)
{
    volatile u32 *vector = (volatile u32 *)SYSTEM_CALL;
    u64 sum = 0;

    vector[0] = addi(3, 3, 1);
    vector[1] = RFID;
    make_executable((void *)SYSTEM_CALL);
    while (units--) {
        register u64 count __asm__("r3") = units;

        __asm__ volatile("mtctr %1\n"
                         "1: sc\n"
                         "   bdnz 1b"
                         : "+r"(count)
                         : "r"(1000L)
                         : "ctr", "memory");
        sum = mix(sum, count);
    }
    return sum;
}
