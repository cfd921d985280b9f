/* What /rtas's linux,rtas-entry points to: hands the argument buffer (r3) to the hypervisor, which
 * is where RTAS really is, and returns. Position-independent, called big-endian in real mode. */
    .set  H_RTAS, 0xf000
    mr    4, 3
    lis   3, 0
    ori   3, 3, H_RTAS
    sc    1
    blr
