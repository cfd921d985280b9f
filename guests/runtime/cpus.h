/* This guest's cpus, by their index in the device tree; index 0 is the boot cpu. */
#ifndef CPUS_H
#define CPUS_H
#include "bytes.h"
#include "tree.h"

/* The guest's own program, run by the boot cpu; the machine is switched off when it returns. */
void guest(void);

/* Starts cpu `cpu`, which runs work(cpu) and stops itself when that returns. RTAS's status. */
long start_cpu(u64 cpu, void (*work)(u64 cpu));

/* Starts cpu `cpu`; ends the guest with a line that says so when it cannot. */
void must_start_cpu(u64 cpu, void (*work)(u64 cpu));

/* Sleeps in H_CEDE until the decrementer has run for `ticks`, or a prod. */
void cede(u32 ticks);

/* Sleeps in H_CEDE, `ticks` at a time, until *word is `value`. */
void cede_until(volatile u64 *word, u64 value, u32 ticks);

/* Decrementer interrupts this cpu has taken. */
u64 decrementer_interrupts(void);

static inline u64 timebase(void)
{
    u64 ticks;

    __asm__ volatile("mftb %0" : "=r"(ticks));
    return ticks;
}

/* Stores before it are seen by other cpus before stores after it; loads likewise. */
static inline void barrier(void)
{
    __asm__ volatile("sync" ::: "memory");
}

/* Adds atomically; returns the sum. */
static inline u64 atomic_add(volatile u64 *word, u64 number)
{
    u64 sum;

    __asm__ volatile("1: ldarx %0,0,%1\n"
                     "   add %0,%0,%2\n"
                     "   stdcx. %0,0,%1\n"
                     "   bne- 1b\n"
                     : "=&r"(sum)
                     : "r"(word), "r"(number)
                     : "cr0", "memory");
    return sum;
}
#endif
