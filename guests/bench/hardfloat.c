/* Floating point, double and single: the Lorenz attractor, a sum of reciprocals, a dot product of
 * singles, conversions. Every bit of the results counts. */
#include "bench.h"

enum { MSR_FP = 0x2000, SINGLES = 256 };

static float singles[SINGLES] APART;

static void enable_floating_point(void)
{
    u64 msr;

    __asm__ volatile("mfmsr %0" : "=r"(msr));
    __asm__ volatile("mtmsrd %0" ::"r"(msr | MSR_FP) : "memory");
}

static u64 bits(double number)
{
    u64 word;

    __builtin_memcpy(&word, &number, 8);
    return word;
}

static __attribute__((noinline)) u64 hardfloat_work(u64 units)
{
    double x = 1, y = 1, z = 1;
    u64 sum = 0;

    for (u64 i = 0; i < SINGLES; i++)
        singles[i] = (float)(long)i * 0.37f - 40;
    while (units--) {
        double reciprocals = 0;
        float product = 0;

        for (u64 i = 0; i < 6000; i++) {
            double dx = 10 * (y - x), dy = x * (28 - z) - y, dz = x * y - z * (8.0 / 3);

            x += dx * 0.005;
            y += dy * 0.005;
            z += dz * 0.005;
        }
        for (u64 i = 1; i < 3000; i++)
            reciprocals += 1 / (double)(long)i;
        for (u64 round = 0; round < 20; round++)
            for (u64 i = 0; i < SINGLES; i++)
                product += singles[i] * singles[SINGLES - 1 - i];
        singles[units % SINGLES] = (float)x;
        sum = mix(sum, bits(x) ^ bits(y) ^ bits(z) ^ bits(reciprocals) ^ bits(product));
        sum = mix(sum, (u64)(long)(z * 1e6));
    }
    return sum;
}

u64 hardfloat(u64 units)
{
    enable_floating_point();
    return hardfloat_work(units);
}
