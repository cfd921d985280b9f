/* Stack geometry, for C and assembly: cpu i runs on the i-th of `stacks`. */
#ifndef STACK_H
#define STACK_H
#define MAX_CPUS 16
#define STACK_SHIFT 12
#define STACK_SIZE (1 << STACK_SHIFT)
#define STACK_FRAME 128
#endif
