/* smp: starts and stops every cpu, lets them register areas for one another, and wakes them. */
#include "areas.h"
#include "console.h"
#include "cpus.h"
#include "hcall.h"
#include "rtas.h"
#include "tree.h"

enum { PAGE = 4096, ADDITIONS = 2000 };

/* Ticks: a millisecond, and a second, which is long enough for a prod to come first. */
enum { POLL = 512000, SLEEP = 512000000 };

/* Where a cpu is; it says so in stage[cpu], and goes on when cpu 0 has raised `go` to that. */
enum { STARTED = 1, CEDED, WOKEN };

static struct {
    struct vpa vpa;
    u8 rest[PAGE - sizeof(struct vpa)];
} pages[MAX_CPUS] __attribute__((aligned(PAGE)));

static volatile u64 stage[MAX_CPUS];
static volatile u64 go;
static volatile u64 sum;

/* What a cpu found: of its VPA, of itself through RTAS, and what woke it. */
static struct {
    int vpa_is_initialised;
    const char *state;
    long restarted;
    u64 overslept;
} found[MAX_CPUS];

static volatile struct vpa *vpa_of(u64 cpu)
{
    return &pages[cpu].vpa;
}

static long register_for(u64 cpu)
{
    vpa_of(cpu)->descriptor = BE32(VPA_DESCRIPTOR);
    vpa_of(cpu)->size = BE16(VPA_SIZE_LINUX);
    return register_vpa(REGISTER_VPA, tree.servers[cpu], vpa_of(cpu));
}

static int is_odd(u64 cpu)
{
    return BE32(vpa_of(cpu)->yield_count) & 1;
}

static int is_initialised(u64 cpu)
{
    return vpa_of(cpu)->old_status & VPA_SHARED_PROCESSOR && !is_odd(cpu);
}

/* Every cpu's work at the same time. */
static void add_up(u64 cpu)
{
    (void)cpu;
    for (u64 i = 0; i < ADDITIONS; i++)
        atomic_add(&sum, 1);
}

static void enter_stage(u64 cpu, u64 number)
{
    barrier();
    stage[cpu] = number;
}

static const char *stopped_state(u64 cpu)
{
    u32 state;

    if (rtas_query_cpu_stopped_state(tree.servers[cpu], &state) != RTAS_SUCCESS)
        return "no answer";
    return state == RTAS_CPU_STOPPED ? "stopped" : "not stopped";
}

/* It asks for itself, while it runs: QEMU takes a cpu in H_CEDE for a stopped one. */
static void secondary(u64 cpu)
{
    found[cpu].vpa_is_initialised = is_initialised(cpu);
    found[cpu].state = stopped_state(cpu);
    found[cpu].restarted = start_cpu(cpu, secondary);
    enter_stage(cpu, STARTED);
    cede_until(&go, CEDED, POLL);
    u64 before = decrementer_interrupts();

    while (go == CEDED) {
        enter_stage(cpu, CEDED);
        cede(SLEEP);
    }
    found[cpu].overslept = decrementer_interrupts() - before;
    enter_stage(cpu, WOKEN);
}

/* Cpu 1 registers for cpu 0, which is running, then does what every secondary does. */
static volatile long status_for_cpu_0;

static void secondary_registers(u64 cpu)
{
    status_for_cpu_0 = register_for(0);
    secondary(cpu);
}

static void wait_until_stopped(u64 cpu)
{
    u32 state;

    do {
        cede(POLL);
        rtas_query_cpu_stopped_state(tree.servers[cpu], &state);
    } while (state != RTAS_CPU_STOPPED);
    printf("cpu %lu: stopped itself\n", cpu);
}

static void start_all(void)
{
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        printf("cpu %lu: %s\n", cpu, stopped_state(cpu));
        printf("cpu %lu: VPA registered by cpu 0: %s\n", cpu, status_name(register_for(cpu)));
        long status = start_cpu(cpu, cpu == 1 ? secondary_registers : secondary);

        cede_until(&stage[cpu], STARTED, POLL);
        printf("cpu %lu: start-cpu %ld, %s, its VPA %s\n", cpu, status, found[cpu].state,
               found[cpu].vpa_is_initialised ? "shared and even" : "not initialised");
        printf("cpu %lu: start-cpu while it runs: %s\n", cpu,
               found[cpu].restarted == RTAS_SUCCESS ? "done" : "refused");
    }
}

static void see_own_vpa(void)
{
    cede(POLL);
    printf("cpu 0: VPA registered by cpu 1: %s, %s\n", status_name(status_for_cpu_0),
           is_initialised(0) ? "shared and even" : "not initialised");
}

static void wake_all(void)
{
    go = CEDED;
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        cede_until(&stage[cpu], CEDED, POLL);
        while (!is_odd(cpu))
            cede(POLL);
        printf("cpu %lu: ceded, yield count odd\n", cpu);
    }
    go = WOKEN;
    barrier();
    for (u64 cpu = 1; cpu < tree.cpus; cpu++) {
        long status = hcall(H_PROD, (u64)tree.servers[cpu]);

        cede_until(&stage[cpu], WOKEN, POLL);
        printf("cpu %lu: H_PROD: %s, %s\n", cpu, status_name(status),
               found[cpu].overslept ? "woke by itself" : "woken");
        wait_until_stopped(cpu);
    }
}

static void confer(void)
{
    enum { NO_SUCH_SERVER = 0x7777 };

    printf("H_CONFER to no vcpu: %s\n", status_name(hcall(H_CONFER, NO_SUCH_SERVER, 0)));
    printf("H_CONFER to cpu 1, count of long ago: %s\n",
           status_name(hcall(H_CONFER, (u64)tree.servers[1], ~0u)));
    hcall(H_CONFER, ~0ul, 0);
    printf("H_CONFER to everyone: came back\n"); /* QEMU 7.2 leaves r3, the status, as it was */
}

static void start_all_again(void)
{
    for (u64 cpu = 1; cpu < tree.cpus; cpu++)
        printf("cpu %lu: start-cpu again: %ld\n", cpu, start_cpu(cpu, add_up));
    add_up(0);
    for (u64 cpu = 1; cpu < tree.cpus; cpu++)
        wait_until_stopped(cpu);
    printf("smp: %u cpus added up to %lu\n", tree.cpus, sum);
}

void guest(void)
{
    printf("smp: %u cpus\n", tree.cpus);
    if (tree.cpus == 1) {
        printf("smp: nothing to show with one cpu\n");
        return;
    }
    start_all();
    see_own_vpa();
    confer();
    wake_all();
    start_all_again();
}
