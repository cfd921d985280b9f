/* Byte stores at many strides: the primes below 4096. */
#include "bench.h"

enum { NUMBERS = 4096 };

static u8 composite[NUMBERS] APART;

static u64 count_primes(void)
{
    u64 count = 0;

    for (u64 i = 0; i < NUMBERS; i++)
        composite[i] = 0;
    for (u64 i = 2; i < NUMBERS; i++) {
        if (composite[i])
            continue;
        count++;
        for (u64 multiple = i + i; multiple < NUMBERS; multiple += i)
            composite[multiple] = 1;
    }
    return count;
}

u64 sieve(u64 units)
{
    u64 sum = 0;

    while (units--)
        sum = mix(sum, count_primes());
    return sum;
}
