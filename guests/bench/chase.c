/* A walk along pointers, a cache line and often a page at a time: through 512 KiB, and through 4 MiB,
 * which is more pages than a software TLB has entries. */
#include "bench.h"

enum { NEAR = 4096, FAR = 32768, WORDS = 16 };

static struct node {
    struct node *next;
    u64 value;
    u64 rest[WORDS - 2];
} nodes[FAR] APART;

/* A generator of full period visits every node before it comes back to the first (Hull, Dobell). */
static void link(u64 count)
{
    for (u64 i = 0; i < count; i++) {
        nodes[i].next = &nodes[(1677 * i + 4001) % count];
        nodes[i].value = i;
    }
}

static u64 walk(u64 steps, u64 count)
{
    const struct node *node = nodes;
    u64 sum = 0;

    link(count);
    while (steps--) {
        sum += node->value;
        node = node->next;
    }
    return mix(sum, node->value);
}

u64 chase(u64 units)
{
    return walk(25000 * units, NEAR);
}

u64 far_chase(u64 units)
{
    return walk(2000 * units, FAR);
}
