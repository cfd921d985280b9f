/* linux-init: the first process of a Linux that is to reboot with its areas registered. It turns
 * the dispatch trace log on, sleeps for a while, and reboots. Linked without the guests' runtime. */

enum { WRITE = 4, OPEN = 5, MOUNT = 21, REBOOT = 88, NANOSLEEP = 162 };   /* unistd.h of ppc64 */
enum { STDOUT = 1, O_WRONLY = 1, NAPS = 20, NAP_NS = 1000000 };

#define MAGIC1 0xfee1dead
#define MAGIC2 672274793
#define RESTART 0x01234567

__asm__(".section .text.head, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    lis 2, .TOC.@h\n"
        "    ori 2, 2, .TOC.@l\n"
        "    b guest\n"
        ".text\n");

static long call(long number, long a, long b, long c, long d, long e)
{
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    register long r6 __asm__("r6") = d;
    register long r7 __asm__("r7") = e;

    __asm__ volatile("sc\n"
                     "bns+ 1f\n"
                     "neg 3, 3\n"
                     "1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
                     :
                     : "r8", "r9", "r10", "r11", "r12", "cr0", "ctr", "lr", "memory");
    return r3;
}

static void say(const char *text)
{
    long length = 0;

    while (text[length])
        length++;
    call(WRITE, STDOUT, (long)text, length, 0, 0);
}

static void log_dispatches(void)
{
    call(MOUNT, (long)"proc", (long)"/proc", (long)"proc", 0, 0);
    long file = call(OPEN, (long)"/proc/powerpc/vcpudispatch_stats", O_WRONLY, 0, 0, 0);

    if (file < 0 || call(WRITE, file, (long)"1", 1, 0, 0) < 0)
        say("linux-init: this kernel has no vcpudispatch_stats, and no dispatch trace log\n");
    else
        say("linux-init: the dispatch trace log is on\n");
}

void __attribute__((noreturn)) guest(void)
{
    const long nap[2] = { 0, NAP_NS };

    log_dispatches();
    for (int i = 0; i < NAPS; i++)
        call(NANOSLEEP, (long)nap, 0, 0, 0, 0);
    say("linux-init: reboots, and the areas stay registered\n");
    call(REBOOT, MAGIC1, MAGIC2, RESTART, 0, 0);
    for (;;)
        ;
}
