/* Benchmarks: each does `units` units of work and returns a checksum of what it computed. A unit is
 * about 100,000 instructions, or the number of events that the benchmark's row says. */
#ifndef BENCH_H
#define BENCH_H
#include "bytes.h"

struct bench {
    const char *name;
    u64 (*run)(u64 units);
    u64 events_a_unit;          /* 0: its instructions count */
    const char *events;
};

u64 fib(u64 units);
u64 sieve(u64 units);
u64 sort(u64 units);
u64 matmul(u64 units);
u64 memops(u64 units);
u64 crc32(u64 units);
u64 branchy(u64 units);
u64 indirect(u64 units);
u64 chase(u64 units);
u64 far_chase(u64 units);
u64 interp(u64 units);
u64 bigcode(u64 units);
u64 hardfloat(u64 units);
u64 coldcode(u64 units);
u64 hypercalls(u64 units);
u64 system_calls(u64 units);
u64 rewrites(u64 units);
u64 data_on_the_codes_page(u64 units);
u64 data_elsewhere(u64 units);

/* Data that benchmarks store to begins on a page of its own, and so does all of .bss: hypervisors that
 * watch the pages they have translated code from would measure that instead. */
#define APART __attribute__((aligned(4096)))

/* What the compiler must take as it comes: it can't move work on `x` out of a loop. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x))

/* The checksum of a sequence of results, one after the other. */
static inline u64 mix(u64 sum, u64 result)
{
    sum = (sum ^ result) * 0x9e3779b97f4a7c15;
    return sum ^ sum >> 29;
}

/* The next of a sequence of pseudo-random numbers (Knuth's MMIX); its high bits are the good ones. */
static inline u64 next_random(u64 number)
{
    return number * 6364136223846793005 + 1442695040888963407;
}
#endif
