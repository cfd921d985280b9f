/* busy: fills all memory but itself, and then changes and checks pages at random, on every cpu. Each
 * round ends with a line that tells the sum of what was found: the same in every run, wherever the
 * guest has been meanwhile. Bootargs: rounds=N (4; 0: for ever), steps=N pages a round that each cpu
 * checks (4096), changes=N: of so many pages checked, one is changed (4). */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "tree.h"

enum { PAGE = 4096, WORDS = PAGE / 8, MOST_PAGES = 1 << 17, ROUNDS = 4, STEPS = 4096, CHANGES = 4 };

static u8 areas_memory[MAX_CPUS][2 * PAGE] __attribute__((aligned(PAGE)));
static u32 generations[MOST_PAGES];      /* how often each page was changed */
static volatile u64 wrong;               /* pages found that were not as they were left */
static volatile u64 ready;
static u64 first, pages, steps, changes;
extern u8 image_end[];

static void set_up(u64 cpu)
{
    struct areas areas = {
        .vpa = (void *)areas_memory[cpu],
        .slb_shadow = (void *)(areas_memory[cpu] + VPA_SIZE_LINUX),
        .dtl = (void *)(areas_memory[cpu] + PAGE),
    };

    areas_prepare(&areas);
    areas_register(&areas, tree.servers[cpu]);
}

static u64 first_word(u64 page)
{
    return (page << 32 | generations[page]) * 0x9e3779b97f4a7c15;
}

static void write(u64 page)
{
    u64 *words = (u64 *)(first + page * PAGE), word = first_word(page);

    for (u64 i = 0; i < WORDS; i++, word += 0x6a09e667f3bcc909)
        words[i] = word;
}

/* Returns the sum of what a page holds. */
static u64 check(u64 page)
{
    const volatile u64 *words = (const volatile u64 *)(first + page * PAGE);
    u64 word = first_word(page), different = 0, sum = 0;

    for (u64 i = 0; i < WORDS; i++, word += 0x6a09e667f3bcc909) {
        u64 found = words[i];

        different |= found ^ word;
        sum += found ^ found >> 17;
    }
    if (different)
        atomic_add(&wrong, 1);
    return sum;
}

/* Works on the pages of one cpu; returns the sum of what it found. */
static u64 work(u64 cpu, u64 *random)
{
    u64 share = pages / tree.cpus, sum = 0;

    for (u64 step = 0; step < steps; step++) {
        *random = *random * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
        u64 page = cpu * share + (*random >> 33) % share;

        sum += check(page);
        if (step % changes == 0) {
            generations[page]++;
            write(page);
        }
    }
    return sum;
}

static void secondary(u64 cpu)
{
    u64 random = cpu;

    set_up(cpu);
    atomic_add(&ready, 1);
    for (;;) {
        work(cpu, &random);
        cede(512);
    }
}

void guest(void)
{
    u64 rounds = bootarg_number("rounds", ROUNDS), random = 0;

    steps = bootarg_number("steps", STEPS);
    changes = bootarg_number("changes", CHANGES);
    first = ((u64)image_end + PAGE - 1) / PAGE * PAGE;
    pages = (tree.memory_size - first) / PAGE;
    if (pages > MOST_PAGES)
        pages = MOST_PAGES;
    for (u64 page = 0; page < pages; page++)
        write(page);
    set_up(0);
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        must_start_cpu(cpu, secondary);
        cede_until(&ready, cpu, 512);
    }
    printf("busy: %u cpu%s, %lu pages\n", tree.cpus, tree.cpus == 1 ? "" : "s", pages);
    for (u64 round = 1; round <= rounds || rounds == 0; round++) {
        u64 sum = work(0, &random);

        printf("busy: round %lu: sum %016lx, %lu pages wrong\n", round, sum, wrong);
        cede(512);
    }
}
