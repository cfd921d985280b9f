/* Instructions that benchmarks write into memory, and the way to make a processor see them. */
#ifndef CODE_H
#define CODE_H
#include "bytes.h"

enum { BLR = 0x4e800020 };

static inline u32 addi(u32 rt, u32 ra, int si)
{
    return 14u << 26 | rt << 21 | ra << 16 | (u16)si;
}

/* Power ISA, book II, 1.8: the block that holds `code` is executed as it was stored. */
static inline void make_executable(const void *code)
{
    __asm__ volatile("dcbst 0,%0\n sync\n icbi 0,%0\n sync\n isync" ::"r"(code) : "memory");
}
#endif
