/* What a guest needs from the flattened device tree, copied out once at entry: the tree itself may
 * be overwritten afterwards. Missing properties read as 0 or "". */
#ifndef TREE_H
#define TREE_H
#include "bytes.h"
#include "stack.h"

enum { BOOTARGS_SIZE = 256 };

struct rtas_tokens {
    u32 power_off, system_reboot, start_cpu, stop_self, query_cpu_stopped_state;
};

struct tree {
    u32 boot_server;              /* the boot cpu's interrupt server number */
    u32 cpus;                     /* cpus in the tree, at most MAX_CPUS */
    u32 servers[MAX_CPUS];        /* their interrupt server numbers, in the tree's order */
    u32 timebase_frequency;       /* Hz */
    u64 memory_size;              /* bytes, all memory nodes together */
    struct rtas_tokens rtas;
    char bootargs[BOOTARGS_SIZE];
};

extern struct tree tree;

/* Fills `tree` from the device tree at `address`; returns 0 when there is none there. */
int tree_read(u64 address);

/* bootargs are words separated by blanks: is `name` one of them? */
int bootarg(const char *name);

/* The number in the word `name=number`, decimal; `missing` when there is no such word. */
u64 bootarg_number(const char *name, u64 missing);
#endif
