/* Calls and returns: Fibonacci numbers by the book. */
#include "bench.h"

static __attribute__((noinline)) u64 fibonacci(u64 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

u64 fib(u64 units)
{
    u64 sum = 0;

    while (units--) {
        u64 n = 18;

        OPAQUE(n);
        sum = mix(sum, fibonacci(n));
    }
    return sum;
}
