/* The boot ROM of the machine, loaded at real address 0. A cpu comes out of system reset at 0x100,
 * big-endian, and finds one branch: to the kernel, with every register as the hypervisor set it. */
    .set  KERNEL, 0x400000
rom:
    .org  0x100
    b     rom + KERNEL
