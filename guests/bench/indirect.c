/* Calls through pointers, and a switch, in an order that depends on data. */
#include "bench.h"

static u64 plus(u64 a, u64 b) { return a + b; }
static u64 minus(u64 a, u64 b) { return a - b; }
static u64 times(u64 a, u64 b) { return a * (b | 1); }
static u64 exclusive(u64 a, u64 b) { return a ^ b; }
static u64 rotated(u64 a, u64 b) { return (a << 7 | a >> 57) + b; }
static u64 inverted(u64 a, u64 b) { return ~a + (b << 3); }
static u64 shifted(u64 a, u64 b) { return a >> 3 ^ b; }
static u64 larger(u64 a, u64 b) { return a > b ? a : b; }

static u64 (*const functions[])(u64, u64) = {plus,    minus,    times,   exclusive,
                                             rotated, inverted, shifted, larger};

static __attribute__((noinline)) u64 selected(u64 which, u64 a, u64 b)
{
    switch (which) {
    case 0: return a + (b << 1);
    case 1: return a ^ b >> 5;
    case 2: return a * 5 - b;
    case 3: return b - a;
    case 4: return (a | b) + 1;
    case 5: return (a & b) - 9;
    case 6: return a << 4 ^ b;
    default: return ~b ^ a >> 2;
    }
}

u64 indirect(u64 units)
{
    u64 random = 1, value = 1, sum = 0;

    while (units--) {
        for (u64 i = 0; i < 3000; i++) {
            random = next_random(random);
            value = functions[random >> 61](value, random);
            value += selected(random >> 58 & 7, value, i);
        }
        sum = mix(sum, value);
    }
    return sum;
}
