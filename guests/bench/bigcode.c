/* Much code in a straight line: 128 different blocks, one after the other. */
#include "bench.h"

static u64 words[64] APART;

/* `i` is a number that the compiler knows, and no two blocks have the same. */
#define BLOCK(i)                                                  \
    a += b << ((i) % 13 + 1);                                     \
    b ^= words[(i) * 7 % 64] + (i) * 37;                          \
    c = (c << ((i) % 31 + 1) | c >> (63 - (i) % 31)) - a;         \
    d = d * ((i) * 2 + 3) + (b >> ((i) % 17 + 1));                \
    words[(i) * 11 % 64] = a ^ d;                                 \
    a = (a & ~(u64)(i)) + (c >> 5);                               \
    d ^= ((u64)(i) << 40) | (words[(i) * 5 % 64] & 0xffff);       \
    b += (c & d) - (i);                                           \
    OPAQUE(b);

#define BLOCKS_2(i) BLOCK(i) BLOCK((i) + 1)
#define BLOCKS_4(i) BLOCKS_2(i) BLOCKS_2((i) + 2)
#define BLOCKS_8(i) BLOCKS_4(i) BLOCKS_4((i) + 4)
#define BLOCKS_16(i) BLOCKS_8(i) BLOCKS_8((i) + 8)
#define BLOCKS_32(i) BLOCKS_16(i) BLOCKS_16((i) + 16)
#define BLOCKS_64(i) BLOCKS_32(i) BLOCKS_32((i) + 32)

u64 bigcode(u64 units)
{
    u64 a = 1, b = 2, c = 3, d = 4;

    for (u64 i = 0; i < 32 * units; i++) {
        BLOCKS_64(0)
        BLOCKS_64(64)
    }
    return mix(a ^ b, c ^ d);
}
