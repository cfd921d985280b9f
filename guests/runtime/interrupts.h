/* Interrupt vectors: the decrementer wakes a ceded cpu; any other interrupt ends the guest with a
 * line that says which and where. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H
void install_vectors(void);
#endif
