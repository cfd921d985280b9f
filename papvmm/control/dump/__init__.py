"""A guest's memory and registers as an ELF core file, for gdb, drgn and crash."""
