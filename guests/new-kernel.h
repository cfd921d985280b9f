/* Kernel B: the kernel that comes next, and thinks that all memory is its own. */
#ifndef NEW_KERNEL_H
#define NEW_KERNEL_H
#include "bytes.h"

/* Lays page tables where the old kernel had the areas of all cpus. */
void new_kernel_lay_tables(const char *name);

/* Checks every word of the tables, round after round, sleeping in H_CEDE in between. */
void new_kernel_check_tables(void);

/* Prints each word that has changed (the first 64 of them) as it was first found, then how many. */
void new_kernel_report(const char *name);
#endif
