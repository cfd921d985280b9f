/* An interpreter's loop: a stack machine that counts the steps of Euclid's algorithm. */
#include "bench.h"

enum operation { PUSH, LOAD, STORE, SUBTRACT, ADD, LESS, EQUAL, JUMP, JUMP_IF, HALT };

enum { A, B, STEPS, VARIABLES };

struct instruction {
    enum operation operation;
    int operand;
};

/* while (a != b) { if (a < b) b -= a; else a -= b; steps += 1; } */
static const struct instruction program[] = {
    /*  0 */ {LOAD, A}, {LOAD, B}, {EQUAL, 0}, {JUMP_IF, 22},
    /*  4 */ {LOAD, A}, {LOAD, B}, {LESS, 0}, {JUMP_IF, 13},
    /*  8 */ {LOAD, A}, {LOAD, B}, {SUBTRACT, 0}, {STORE, A}, {JUMP, 17},
    /* 13 */ {LOAD, B}, {LOAD, A}, {SUBTRACT, 0}, {STORE, B},
    /* 17 */ {LOAD, STEPS}, {PUSH, 1}, {ADD, 0}, {STORE, STEPS}, {JUMP, 0},
    /* 22 */ {HALT, 0},
};

static u64 variables[VARIABLES] APART;
static u64 stack[8] APART;

static __attribute__((noinline)) void interpret(void)
{
    const struct instruction *next = program;
    u64 *top = stack;

    for (;;) {
        const struct instruction *now = next++;

        switch (now->operation) {
        case PUSH:
            *top++ = (u64)now->operand;
            break;
        case LOAD:
            *top++ = variables[now->operand];
            break;
        case STORE:
            variables[now->operand] = *--top;
            break;
        case SUBTRACT:
            top--;
            top[-1] -= *top;
            break;
        case ADD:
            top--;
            top[-1] += *top;
            break;
        case LESS:
            top--;
            top[-1] = top[-1] < *top;
            break;
        case EQUAL:
            top--;
            top[-1] = top[-1] == *top;
            break;
        case JUMP:
            next = program + now->operand;
            break;
        case JUMP_IF:
            if (*--top)
                next = program + now->operand;
            break;
        case HALT:
            return;
        }
    }
}

u64 interp(u64 units)
{
    u64 random = 1, sum = 0;

    for (u64 i = 0; i < 32 * units; i++) {
        random = next_random(random);
        variables[A] = (random >> 58) + 1;
        variables[B] = (random >> 52 & 63) + 1;
        variables[STEPS] = 0;
        interpret();
        sum = mix(sum, variables[STEPS] << 32 | variables[A]);
    }
    return sum;
}
