/* check-memory: a kernel that takes all RAM for its own. It fills everything but itself with page
 * table entries, starts every cpu, and checks each word, round after round. */
#include "console.h"
#include "cpus.h"
#include "tree.h"

enum { ROUNDS = 3, TICKS = 51200, SHOWN = 64, STRIDE = 8 };
enum { LOWEST = 0x10000, IMAGE = 0x400000 };

extern u8 image_end[];

/* A radix page table entry: valid, leaf, referenced, changed, readable, writable; the real page
 * number of the page it maps rises from entry to entry. */
#define FIRST_ENTRY 0xc000000000000186ul
#define NEXT_PAGE 0x1000ul

/* Changed words, by address: open addressing. */
#define MOST_CHANGED 4096ul

static u64 changed_words[MOST_CHANGED];
static u64 changed;               /* different ones */

static struct {
    u64 address, found, round;
} shown[SHOWN];

static volatile u64 online[MAX_CPUS];

static u64 entry(u64 address)
{
    return FIRST_ENTRY + address / 8 * NEXT_PAGE;
}

static void fill(u64 from, u64 to)
{
    u64 value = entry(from);

    for (u64 address = from; address < to; address += 8, value += NEXT_PAGE)
        *(u64 *)address = value;
}

static void note(u64 address, u64 found, u64 round)
{
    u64 slot = address / 8 % MOST_CHANGED;

    while (changed_words[slot] != 0 && changed_words[slot] != address)
        slot = (slot + 1) % MOST_CHANGED;
    if (changed_words[slot] == address || changed == MOST_CHANGED - 1)
        return;
    changed_words[slot] = address;
    if (changed < SHOWN) {
        shown[changed].address = address;
        shown[changed].found = found;
        shown[changed].round = round;
    }
    changed++;
}

static void __attribute__((noinline)) look_closely(u64 from, u64 to, u64 round)
{
    for (u64 address = from; address < to; address += 8) {
        u64 found = *(volatile u64 *)address;

        if (found != entry(address))
            note(address, found, round);
    }
}

static void check(u64 from, u64 to, u64 round)
{
    u64 value = entry(from);

    for (u64 address = from; address < to; address += 8 * STRIDE) {
        const volatile u64 *words = (const volatile u64 *)address;
        u64 different = 0;

        for (u64 i = 0; i < STRIDE; i++, value += NEXT_PAGE)
            different |= words[i] ^ value;
        if (different)
            look_closely(address, address + 8 * STRIDE, round);
    }
}

static void sleep_on_and_on(u64 cpu)
{
    online[cpu] = 1;
    for (;;)
        cede(TICKS);
}

static void report(void)
{
    for (u64 i = 0; i < changed && i < SHOWN; i++)
        printf("kernel B: 0x%lx: expected %016lx, found %016lx in round %lu\n", shown[i].address,
               entry(shown[i].address), shown[i].found, shown[i].round);
    if (changed > SHOWN)
        printf("kernel B: and %lu more\n", changed - SHOWN);
    if (changed == 0)
        printf("kernel B: memory intact\n");
    else
        printf("kernel B: %lu words changed\n", changed);
}

void guest(void)
{
    u64 rounds = bootarg_number("rounds", ROUNDS), above = ((u64)image_end + 63) / 64 * 64;

    printf("kernel B: %u cpu%s, page tables in all of %lu MiB\n", tree.cpus,
           tree.cpus == 1 ? "" : "s", tree.memory_size >> 20);
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        must_start_cpu(cpu, sleep_on_and_on);
        cede_until(&online[cpu], 1, TICKS);
    }
    fill(LOWEST, IMAGE);
    fill(above, tree.memory_size);
    for (u64 round = 1; round <= rounds; round++) {
        cede(TICKS);
        check(LOWEST, IMAGE, round);
        check(above, tree.memory_size, round);
    }
    report();
}
