/* hibernate: works in rounds, and notices when it has been saved and restored: the hypervisor has
 * registered its areas anew, so the log and the yield count have started again. Bootargs: rounds=N
 * before it gives up waiting for that (20; 0: never), period=N ticks of sleep a round. */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "tree.h"

enum { PAGE = 4096, ROUNDS = 20, ROUNDS_AFTERWARDS = 5, PERIOD = 51200 };

/* More log entries than a round makes: what a restart makes of the index is then a smaller one. */
enum { WARM_UP = 32 };

static u8 memory[MAX_CPUS][2 * PAGE] __attribute__((aligned(PAGE)));

/* What a cpu knew of its areas at the end of its last round, and whether they went back since. */
static struct seen {
    u32 yield_count;
    u64 dtl_idx;
    u64 count_restarted, log_restarted;
} seen[MAX_CPUS];

static volatile u64 ready[MAX_CPUS];
static u32 period;

/* Memory that must come back as it was. */
enum { PATTERN_WORDS = 4096 };

static u64 pattern[PATTERN_WORDS];

static struct areas areas_of(u64 cpu)
{
    return (struct areas){
        .vpa = (void *)memory[cpu],
        .slb_shadow = (void *)(memory[cpu] + VPA_SIZE_LINUX),
        .dtl = (void *)(memory[cpu] + PAGE),
    };
}

static void look(u64 cpu)
{
    struct areas areas = areas_of(cpu);

    seen[cpu].count_restarted |= yield_count(&areas) < seen[cpu].yield_count;
    seen[cpu].log_restarted |= dtl_idx(&areas) < seen[cpu].dtl_idx;
    seen[cpu].yield_count = yield_count(&areas);
    seen[cpu].dtl_idx = dtl_idx(&areas);
    barrier();
}

static void set_up(u64 cpu)
{
    struct areas areas = areas_of(cpu);

    areas_prepare(&areas);
    struct area_statuses statuses = areas_register(&areas, tree.servers[cpu]);

    for (u64 i = 0; i < WARM_UP; i++)
        cede(1);
    look(cpu);
    ready[cpu] = 1 + (statuses.vpa == H_SUCCESS && statuses.slb_shadow == H_SUCCESS &&
                      statuses.dtl == H_SUCCESS);
}

static void secondary(u64 cpu)
{
    set_up(cpu);
    for (;;) {
        cede(period);
        look(cpu);
    }
}

static void lay_pattern(void)
{
    u64 word = 0x9e3779b97f4a7c15;

    for (u64 i = 0; i < PATTERN_WORDS; i++, word += word << 3)
        pattern[i] = word;
}

static int pattern_is_intact(void)
{
    u64 word = 0x9e3779b97f4a7c15;

    for (u64 i = 0; i < PATTERN_WORDS; i++, word += word << 3)
        if (((volatile u64 *)pattern)[i] != word)
            return 0;
    return 1;
}

static u64 restarted_cpus(void)
{
    u64 count = 0;

    for (u64 cpu = 0; cpu < tree.cpus; cpu++)
        count += seen[cpu].count_restarted | seen[cpu].log_restarted;
    return count;
}

static const char *memory_state(void)
{
    return pattern_is_intact() ? "intact" : "changed";
}

/* Returns the rounds left after this one. */
static u64 work(u64 round, u64 left)
{
    u64 was_resumed = seen[0].count_restarted | seen[0].log_restarted;

    cede(period);
    look(0);
    printf("hibernate: round %lu: yield count %u, dtl_idx %lu, memory %s\n", round,
           seen[0].yield_count, seen[0].dtl_idx, memory_state());
    if (was_resumed || !(seen[0].count_restarted | seen[0].log_restarted))
        return left - 1;
    printf("hibernate: resumed, log %s, memory %s\n", seen[0].log_restarted ? "restarted" : "goes on",
           memory_state());
    return ROUNDS_AFTERWARDS;
}

void guest(void)
{
    u64 rounds = bootarg_number("rounds", ROUNDS);

    period = (u32)bootarg_number("period", PERIOD);
    lay_pattern();
    for (u64 cpu = 1; cpu < tree.cpus; cpu++)
        must_start_cpu(cpu, secondary);
    set_up(0);
    for (u64 cpu = 0; cpu < tree.cpus; cpu++) {
        while (ready[cpu] == 0)
            cede(period);
        printf("hibernate: cpu %lu: areas %s\n", cpu, ready[cpu] == 2 ? "registered" : "refused");
    }
    look(0);
    for (u64 round = 1, left = rounds ? rounds : ~0ul; left; round++)
        left = work(round, left);
    printf("hibernate: %lu of %u cpus were resumed, memory %s\n", restarted_cpus(), tree.cpus,
           memory_state());
}
