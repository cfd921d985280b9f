#include "interrupts.h"
#include "bytes.h"
#include "console.h"
#include "hcall.h"
#include "rtas.h"
#include "stack.h"

enum { FIRST_VECTOR = 0x100, LAST_VECTOR = 0xf80, DECREMENTER = 0x900 };

/* li r3,vector and ba target: what a vector that ends the guest holds. */
enum { LI_R3 = 0x38600000, BA = 0x48000002 };

u8 last_words_stack[STACK_SIZE] __attribute__((aligned(128)));

extern const u8 decrementer_vector[], decrementer_vector_end[], unexpected_entry[];

static void make_executable(u64 from, u64 to)
{
    enum { CACHE_LINE = 128 };

    for (u64 line = from; line < to; line += CACHE_LINE)
        __asm__ volatile("dcbst 0,%0\n sync\n icbi 0,%0" ::"r"(line) : "memory");
    __asm__ volatile("sync\n isync" ::: "memory");
}

void install_vectors(void)
{
    for (u64 vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector += 0x20) {
        volatile u32 *code = (volatile u32 *)vector;

        code[0] = LI_R3 | (u32)vector;
        code[1] = BA | (u32)(u64)unexpected_entry;
    }
    memcpy((void *)DECREMENTER, decrementer_vector, (u64)(decrementer_vector_end - decrementer_vector));
    make_executable(FIRST_VECTOR, LAST_VECTOR + 0x20);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        hcall(H_SET_MODE, H_SET_MODE_ENDIAN_LITTLE, H_SET_MODE_RESOURCE_LE, 0, 0);
}

/* From unexpected_entry, on a stack of its own. A second one, out of this very function, is silent. */
void unexpected_interrupt(u64 vector, u64 srr0, u64 srr1, u64 dar, u32 dsisr)
{
    static int before;

    while (before)
        __asm__ volatile("");
    before = 1;
    printf("unexpected interrupt 0x%lx: srr0 0x%lx srr1 0x%lx dar 0x%lx dsisr 0x%x\n", vector, srr0, srr1,
           dar, dsisr);
    rtas_power_off();
}
