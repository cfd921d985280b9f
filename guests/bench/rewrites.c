/* Self-modifying code: a function of three instructions is rewritten, then called four times. */
#include "bench.h"
#include "code.h"

static u32 code[32] APART;

u64 rewrites(u64 units)
{
    u64 (*const function)(u64) = (u64 (*)(u64))(u64)code;
    u64 value = 0;

    for (u64 i = 0; i < 20 * units; i++) {
        code[0] = addi(3, 3, (int)(i & 0x7fff));
        code[1] = addi(3, 3, (int)(i * 7 & 0x7fff));
        code[2] = BLR;
        make_executable(code);
        for (u64 call = 0; call < 4; call++)
            value = function(value);
        value = mix(value, i);
    }
    return value;
}
