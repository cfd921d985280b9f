/* Hypercalls that do next to nothing: a cpu prods itself. */
#include "bench.h"
#include "hcall.h"
#include "tree.h"

u64 hypercalls(u64 units)
{
    u64 sum = 1;

    for (u64 i = 0; i < 200 * units; i++)
        sum = mix(sum, (u64)hcall(H_PROD, tree.servers[0]));
    return sum;
}
