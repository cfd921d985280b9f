/* New code all the time: a function of 1024 instructions is written, called twice, and never again.
 * Every sixth instruction is a branch that is taken or not, depending on data. */
#include "bench.h"
#include "code.h"

enum { INSTRUCTIONS = 1024, FUNCTIONS = 4096, LINE = 128 };

static u32 code[FUNCTIONS][INSTRUCTIONS] APART;

enum { ADD = 0x7c000214, SUBF = 0x7c000050, XOR = 0x7c000278, AND_DOT = 0x7c000039, MULLI = 7u << 26 };
enum { RLDICL_32 = 0x78000022, BEQ_PLUS_2 = 0x41820008 };

/* Registers 3 to 10, which a function need not keep. */
static u32 some_register(u64 random)
{
    return 3 + (u32)(random & 7);
}

static u32 instruction(u64 i, u64 random)
{
    u32 a = some_register(random >> 40), b = some_register(random >> 43);
    u32 t = some_register(random >> 46);

    if (i % 6 == 4)
        return AND_DOT | a << 21 | 11 << 16 | b << 11;
    if (i % 6 == 5)
        return BEQ_PLUS_2;
    switch (random >> 60 & 7) {
    case 0: return ADD | t << 21 | a << 16 | b << 11;
    case 1: return SUBF | t << 21 | a << 16 | b << 11;
    case 2: return XOR | a << 21 | t << 16 | b << 11;
    case 3: return MULLI | t << 21 | a << 16 | (u16)(random >> 32);
    case 4: return RLDICL_32 | a << 21 | t << 16;
    default: return addi(t, a, (int)(random >> 32));
    }
}

static u64 write(u32 *function, u64 random)
{
    for (u64 i = 0; i < INSTRUCTIONS - 1; i++) {
        random = next_random(random);
        function[i] = instruction(i, random);
    }
    function[INSTRUCTIONS - 1] = BLR;
    for (u64 i = 0; i < INSTRUCTIONS; i += LINE / 4)
        make_executable(function + i);
    return random;
}

u64 coldcode(u64 units)
{
    u64 random = 1, value = 1;

    for (u64 i = 0; i < units; i++) {
        u32 *function = code[i % FUNCTIONS];
        u64 (*const call)(u64, u64, u64, u64, u64, u64, u64, u64) = (void *)(u64)function;

        random = write(function, random);
        for (u64 j = 0; j < 2; j++)
            value = mix(value, call(value, random, i, j, 5, 6, 7, 8));
    }
    return value;
}
