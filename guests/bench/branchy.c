/* Branches that depend on data: how long numbers take to reach 1 by the rule of Collatz, and walks
 * through a decision tree. */
#include "bench.h"

/* An arm of a branch that the compiler can't turn into a selection. */
#define ARM __asm__ volatile("")

static u64 steps_to_one(u64 number)
{
    u64 steps = 0;

    for (; number != 1; steps++)
        if (number & 1) {
            ARM;
            number = 3 * number + 1;
        } else {
            ARM;
            number >>= 1;
        }
    return steps;
}

static u64 decide(u64 number)
{
    if (number & 1 << 5) {
        ARM;
        if (number & 1 << 9) {
            ARM;
            return number & 1 << 2 ? number + 3 : number ^ 5;
        }
        ARM;
        if (number % 3 == 0) {
            ARM;
            return number << 1;
        }
        return number - 7;
    }
    if ((number >> 7 & 3) == 2) {
        ARM;
        return ~number;
    }
    ARM;
    return number >> 3;
}

u64 branchy(u64 units)
{
    u64 random = 1, sum = 0;

    for (u64 i = 0; i < 130 * units; i++) {
        random = next_random(random);
        sum += steps_to_one((random >> 48) + 1);
        for (u64 j = 0; j < 8; j++)
            sum = mix(sum, decide(random >> 8 * j));
    }
    return sum;
}
