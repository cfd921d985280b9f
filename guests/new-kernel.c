#include "new-kernel.h"
#include "console.h"
#include "cpus.h"
#include "old-kernel.h"
#include "tree.h"

enum { ROUNDS = 10, TICKS = 51200, SHOWN = 64, WORDS_OF_A_CPU = AREAS_STRIDE / 8 };

/* A radix page table entry: valid, leaf, referenced, changed, readable, writable; the real page
 * number of the page it maps rises from entry to entry. */
#define FIRST_ENTRY 0xc000000000000186ul
#define NEXT_PAGE 0x1000ul

static volatile u64 *const tables = (volatile u64 *)AREAS_ADDRESS;

static u64 words;                 /* of the tables */
static u64 changed;               /* different ones */
static u64 is_changed[MAX_CPUS * WORDS_OF_A_CPU / 64];

static struct {
    u64 word, found, round;
} shown[SHOWN];

static u64 entry(u64 word)
{
    return FIRST_ENTRY + word * NEXT_PAGE;
}

void new_kernel_lay_tables(const char *name)
{
    words = tree.cpus * WORDS_OF_A_CPU;
    printf("%s: %u cpu%s, page tables from 0x%lx to 0x%lx\n", name, tree.cpus,
           tree.cpus == 1 ? "" : "s", (u64)tables, (u64)(tables + words));
    for (u64 word = 0; word < words; word++)
        tables[word] = entry(word);
}

static void __attribute__((noinline)) note(u64 word, u64 found, u64 round)
{
    u64 bit = 1ul << word % 64;

    if (is_changed[word / 64] & bit)
        return;
    is_changed[word / 64] |= bit;
    if (changed < SHOWN) {
        shown[changed].word = word;
        shown[changed].found = found;
        shown[changed].round = round;
    }
    changed++;
}

static void check(u64 round)
{
    u64 expected = FIRST_ENTRY;

    for (u64 word = 0; word < words; word++, expected += NEXT_PAGE) {
        u64 found = tables[word];

        if (found != expected)
            note(word, found, round);
    }
}

void new_kernel_check_tables(void)
{
    u64 rounds = bootarg_number("rounds", ROUNDS);

    for (u64 round = 1; round <= rounds; round++) {
        cede(TICKS);
        check(round);
    }
}

void new_kernel_report(const char *name)
{
    for (u64 i = 0; i < changed && i < SHOWN; i++)
        printf("%s: 0x%lx: expected %016lx, found %016lx in round %lu\n", name,
               (u64)(tables + shown[i].word), entry(shown[i].word), shown[i].found, shown[i].round);
    if (changed > SHOWN)
        printf("%s: and %lu more\n", name, changed - SHOWN);
    if (changed == 0)
        printf("%s: memory intact\n", name);
    else
        printf("%s: %lu words changed\n", name, changed);
}
