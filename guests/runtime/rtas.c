#include "rtas.h"
#include "console.h"
#include "hcall.h"
#include "tree.h"

/* The argument buffer: big-endian cells, the results behind the arguments. */
struct rtas_buffer {
    u32 token, nargs, nret;
    u32 cells[8];
};

/* Each call has its own buffer, on its own stack: several cpus may call at once. */
static long call(u32 token, struct rtas_buffer *buffer)
{
    buffer->token = BE32(token);
    buffer->nargs = BE32(buffer->nargs);
    buffer->nret = BE32(buffer->nret);
    if (hcall(H_RTAS, (u64)buffer) != H_SUCCESS)
        return RTAS_PARAMETER_ERROR;
    return (int)BE32(buffer->cells[BE32(buffer->nargs)]);
}

long rtas_start_cpu(u32 server, u64 entry, u64 r3)
{
    struct rtas_buffer buffer = {
        .nargs = 3, .nret = 1, .cells = {BE32(server), BE32((u32)entry), BE32((u32)r3)}
    };

    return call(tree.rtas.start_cpu, &buffer);
}

long rtas_query_cpu_stopped_state(u32 server, u32 *state)
{
    struct rtas_buffer buffer = {.nargs = 1, .nret = 2, .cells = {BE32(server)}};
    long status = call(tree.rtas.query_cpu_stopped_state, &buffer);

    *state = BE32(buffer.cells[2]);
    return status;
}

static void __attribute__((noreturn)) call_for_good(const char *name, u32 token, struct rtas_buffer *buffer)
{
    long status = call(token, buffer);

    printf("RTAS %s came back with status %ld\n", name, status);
    for (;;)
        __asm__ volatile("");
}

void rtas_stop_self(void)
{
    struct rtas_buffer buffer = {.nargs = 0, .nret = 1};

    call_for_good("stop-self", tree.rtas.stop_self, &buffer);
}

void rtas_system_reboot(void)
{
    struct rtas_buffer buffer = {.nargs = 0, .nret = 1};

    call_for_good("system-reboot", tree.rtas.system_reboot, &buffer);
}

void rtas_power_off(void)
{
    /* Two masks of events that may switch the machine on again: none of them matters here. */
    struct rtas_buffer buffer = {.nargs = 2, .nret = 1, .cells = {~0u, ~0u}};

    call_for_good("power-off", tree.rtas.power_off, &buffer);
}
