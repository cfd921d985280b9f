#include "tree.h"

/* Devicetree Specification, chapter 5: header words, and the tokens of the structure block. */
enum { MAGIC = 0xd00dfeed };
enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9 };

struct header {
    u32 magic, totalsize, off_dt_struct, off_dt_strings, off_mem_rsvmap;
    u32 version, last_comp_version, boot_cpuid_phys, size_dt_strings, size_dt_struct;
};

enum node { ROOT, CPUS, CPU, MEMORY, RTAS, CHOSEN, OTHER };

struct tree tree;

static u32 address_cells = 2, size_cells = 1;   /* of the root, which has them before its children */

static u64 cells(const u32 *value, u32 count)
{
    u64 number = 0;

    while (count--)
        number = number << 32 | BE32(*value++);
    return number;
}

static int begins(const char *text, const char *start)
{
    while (*start)
        if (*text++ != *start++)
            return 0;
    return 1;
}

static enum node kind_of(const char *name, enum node parent)
{
    if (parent == CPUS)
        return CPU;
    if (parent != ROOT)
        return OTHER;
    if (strcmp(name, "cpus") == 0)
        return CPUS;
    if (strcmp(name, "rtas") == 0)
        return RTAS;
    if (strcmp(name, "chosen") == 0)
        return CHOSEN;
    return begins(name, "memory") ? MEMORY : OTHER;
}

static void read_cpu(const char *name, const u32 *value, u32 length)
{
    if (strcmp(name, "ibm,ppc-interrupt-server#s") == 0)
        for (u32 i = 0; i < length / 4 && tree.cpus < MAX_CPUS; i++)
            tree.servers[tree.cpus++] = BE32(value[i]);
    else if (strcmp(name, "timebase-frequency") == 0)
        tree.timebase_frequency = BE32(*value);
}

static void read_rtas(const char *name, const u32 *value)
{
    if (strcmp(name, "power-off") == 0)
        tree.rtas.power_off = BE32(*value);
    else if (strcmp(name, "system-reboot") == 0)
        tree.rtas.system_reboot = BE32(*value);
    else if (strcmp(name, "start-cpu") == 0)
        tree.rtas.start_cpu = BE32(*value);
    else if (strcmp(name, "stop-self") == 0)
        tree.rtas.stop_self = BE32(*value);
    else if (strcmp(name, "query-cpu-stopped-state") == 0)
        tree.rtas.query_cpu_stopped_state = BE32(*value);
}

static void read_property(enum node node, const char *name, const u32 *value, u32 length)
{
    switch (node) {
    case ROOT:
        if (strcmp(name, "#address-cells") == 0)
            address_cells = BE32(*value);
        else if (strcmp(name, "#size-cells") == 0)
            size_cells = BE32(*value);
        break;
    case CPU:
        read_cpu(name, value, length);
        break;
    case MEMORY:
        if (strcmp(name, "reg") == 0)
            tree.memory_size += cells(value + address_cells, size_cells);
        break;
    case RTAS:
        read_rtas(name, value);
        break;
    case CHOSEN:
        if (strcmp(name, "bootargs") == 0 && length <= BOOTARGS_SIZE)
            memcpy(tree.bootargs, value, length);
        break;
    case CPUS:
    case OTHER:
        break;
    }
}

int tree_read(u64 address)
{
    enum { DEEPEST = 16 };
    const struct header *header = (const void *)address;
    enum node path[DEEPEST];
    u32 depth = 0;

    if (BE32(header->magic) != MAGIC)
        return 0;
    tree.boot_server = BE32(header->boot_cpuid_phys);
    const char *strings = (const char *)address + BE32(header->off_dt_strings);
    const u32 *word = (const void *)(address + BE32(header->off_dt_struct));

    for (;;) {
        switch (BE32(*word++)) {
        case BEGIN_NODE:
            path[depth] = depth == 0 ? ROOT : kind_of((const char *)word, path[depth - 1]);
            if (++depth == DEEPEST)
                return 0;
            word += strlen((const char *)word) / 4 + 1;
            break;
        case END_NODE:
            depth--;
            break;
        case PROP:
            read_property(path[depth - 1], strings + BE32(word[1]), word + 2, BE32(word[0]));
            word += 2 + (BE32(word[0]) + 3) / 4;
            break;
        case NOP:
            break;
        case END:
            return 1;
        default:
            return 0;
        }
    }
}

/* The word of bootargs that begins with `name`, past that name; 0 when there is none. */
static const char *word_after(const char *name)
{
    const char *text = tree.bootargs;

    while (*text) {
        if (begins(text, name))
            return text + strlen(name);
        while (*text && *text != ' ')
            text++;
        while (*text == ' ')
            text++;
    }
    return 0;
}

int bootarg(const char *name)
{
    const char *rest = word_after(name);

    return rest && (*rest == 0 || *rest == ' ');
}

u64 bootarg_number(const char *name, u64 missing)
{
    const char *digits = word_after(name);
    u64 number = 0;

    if (digits == 0 || *digits != '=')
        return missing;
    while (*++digits >= '0' && *digits <= '9')
        number = 10 * number + (u64)(*digits - '0');
    return number;
}
