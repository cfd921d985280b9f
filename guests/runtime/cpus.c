#include "cpus.h"
#include "console.h"
#include "hcall.h"
#include "interrupts.h"
#include "rtas.h"

u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(128)));

static void (*work_of[MAX_CPUS])(u64 cpu);

extern const u8 secondary_entry[];

void boot_cpu(u64 device_tree)
{
    int found = tree_read(device_tree);

    install_vectors();
    if (!found) {
        printf("no device tree at 0x%lx\n", device_tree);
        for (;;)
            __asm__ volatile("");
    }
    guest();
    rtas_power_off();
}

void secondary_cpu(u64 cpu)
{
    work_of[cpu](cpu);
    rtas_stop_self();
}

long start_cpu(u64 cpu, void (*work)(u64 cpu))
{
    work_of[cpu] = work;
    barrier();
    return rtas_start_cpu(tree.servers[cpu], (u64)secondary_entry, cpu);
}

void must_start_cpu(u64 cpu, void (*work)(u64 cpu))
{
    long status = start_cpu(cpu, work);

    if (status == RTAS_SUCCESS)
        return;
    printf("cpu %lu: start-cpu failed with status %ld\n", cpu, status);
    rtas_power_off();
}

static void set_decrementer(u32 ticks)
{
    __asm__ volatile("mtdec %0" ::"r"((u64)ticks));
}

void cede(u32 ticks)
{
    set_decrementer(ticks);
    hcall(H_CEDE);      /* enables external interrupts; the decrementer's is taken on return */
    __asm__ volatile("mtmsrd %0,1" ::"r"(0L) : "memory");
}

void cede_until(volatile u64 *word, u64 value, u32 ticks)
{
    while (*word != value)
        cede(ticks);
    barrier();
}

u64 decrementer_interrupts(void)
{
    u64 count;

    __asm__ volatile("mfsprg %0,3" : "=r"(count));
    return count;
}
