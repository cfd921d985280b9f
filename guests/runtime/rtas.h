/* Run-time abstraction services, called through H_RTAS with tokens from the device tree. */
#ifndef RTAS_H
#define RTAS_H
#include "bytes.h"

enum { RTAS_SUCCESS = 0, RTAS_PARAMETER_ERROR = -3 };

/* What query-cpu-stopped-state answers. */
enum { RTAS_CPU_STOPPED = 0, RTAS_CPU_STOPPING = 1, RTAS_CPU_NOT_STOPPED = 2 };

long rtas_start_cpu(u32 server, u64 entry, u64 r3);
long rtas_query_cpu_stopped_state(u32 server, u32 *state);
void rtas_stop_self(void) __attribute__((noreturn));
void rtas_system_reboot(void) __attribute__((noreturn));
void rtas_power_off(void) __attribute__((noreturn));
#endif
