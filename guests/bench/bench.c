/* bench-be, bench-le: one benchmark of a collection. Bootargs: its name, and n=N units of work (1000,
 * about 100 million instructions). The first line is printed before the work, the last after it; ticks
 * are those of the time base. Without a name: the list of names. */
#include "bench.h"
#include "console.h"
#include "cpus.h"
#include "tree.h"

enum { UNITS = 1000 };

static const struct bench benches[] = {
    {"fib", fib, 0, 0},
    {"sieve", sieve, 0, 0},
    {"sort", sort, 0, 0},
    {"matmul", matmul, 0, 0},
    {"memops", memops, 0, 0},
    {"crc32", crc32, 0, 0},
    {"branchy", branchy, 0, 0},
    {"indirect", indirect, 0, 0},
    {"chase", chase, 0, 0},
    {"interp", interp, 0, 0},
    {"bigcode", bigcode, 0, 0},
    {"hardfloat", hardfloat, 0, 0},
    {"chasefar", far_chase, 2000, "steps far apart"},
    {"codedata", data_on_the_codes_page, 2000, "stores beside code"},
    {"datafar", data_elsewhere, 2000, "stores elsewhere"},
    {"coldcode", coldcode, 1024, "new instructions"},
    {"hcall", hypercalls, 200, "hypercalls"},
    {"scrfid", system_calls, 1000, "system calls"},
    {"smc", rewrites, 20, "rewrites"},
};

enum { BENCHES = sizeof(benches) / sizeof(benches[0]) };

static void measure(const struct bench *bench)
{
    u64 units = bootarg_number("n", UNITS);

    printf("%s: start\n", bench->name);
    u64 before = timebase();
    u64 checksum = bench->run(units);
    u64 ticks = timebase() - before;

    printf("%s: checksum %16lx\n", bench->name, checksum);
    if (bench->events)
        printf("%s: %lu %s\n", bench->name, units * bench->events_a_unit, bench->events);
    printf("%s: %lu ticks\n", bench->name, ticks);
    printf("%s: done\n", bench->name);
}

void guest(void)
{
    for (u64 i = 0; i < BENCHES; i++)
        if (bootarg(benches[i].name)) {
            measure(&benches[i]);
            return;
        }
    printf("bootargs name no benchmark; there are");
    for (u64 i = 0; i < BENCHES; i++)
        printf(" %s", benches[i].name);
    printf("\n");
}
