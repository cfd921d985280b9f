/* Where cpus enter the guest, and the code behind the interrupt vectors. */
#include "entry.h"
#include "stack.h"

#define LOAD_ADDRESS(reg, symbol) \
    lis  reg, symbol@h ;           \
    ori  reg, reg, symbol@l

    .section .text.head, "ax"
    .globl _start
_start:                             /* the boot cpu: r3 = device tree */
    ENTER_64_BIT
    LOAD_ADDRESS(2, .TOC.)
    LOAD_ADDRESS(1, stacks + STACK_SIZE - STACK_FRAME)
    li    0, 0
    std   0, 0(1)
    bl    boot_cpu
    nop
    b     .

    .text
    .globl secondary_entry
secondary_entry:                    /* another cpu: r3 = its index, as given to start-cpu */
    ENTER_64_BIT
    LOAD_ADDRESS(2, .TOC.)
    LOAD_ADDRESS(1, stacks + STACK_SIZE - STACK_FRAME)
    sldi  0, 3, STACK_SHIFT
    add   1, 1, 0
    li    0, 0
    std   0, 0(1)
    bl    secondary_cpu
    nop
    b     .

    .globl hcall
hcall:                              /* r3 = token, r4.. = arguments: already where PAPR wants them */
    sc    1
    blr

/* Copied to 0x900: counts the interrupt in SPRG3 and puts the next one out of reach. It may come
 * between any two instructions, so it leaves every register but its own SPRGs as they were. */
    .globl decrementer_vector, decrementer_vector_end
decrementer_vector:
    mtsprg 1, 3
    mfsprg 3, 3
    addi  3, 3, 1
    mtsprg 3, 3
    lis   3, 0x7fff
    mtdec 3
    mfsprg 3, 1
    rfid
decrementer_vector_end:

/* Every other vector branches here with its number in r3, never to return. */
    .globl unexpected_entry
unexpected_entry:
    LOAD_ADDRESS(2, .TOC.)
    LOAD_ADDRESS(1, last_words_stack + STACK_SIZE - STACK_FRAME)
    li    0, 0
    std   0, 0(1)
    mfsrr0 4
    mfsrr1 5
    mfdar 6
    mfdsisr 7
    bl    unexpected_interrupt
    nop
    b     .
