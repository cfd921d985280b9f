/* The hypervisor's terminal. One cpu prints at a time: lines of two cpus would mix. */
#ifndef CONSOLE_H
#define CONSOLE_H
/* %s, %c, %%, and %d %u %x %ld %lu %lx with an optional zero-padded width. */
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
