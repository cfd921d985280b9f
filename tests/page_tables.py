"""Radix trees as a guest builds them."""

from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import LPCR, LPCR_GTSE, LPCR_HR, LPCR_UPRT, MSR, PROCESS_TABLE
from papvmm.memory.guest_memory import GuestMemory

EXECUTE, READ_WRITE, READ, PRIVILEGED = 1, 2, 4, 8
TREE = 0x4000_0000_0000_00A0 | 13
"""52 bits, 13 of which the root is indexed by."""
VALID, LEAF = 1 << 63, 1 << 62


class Tree:
    """The tree of a process: its root, and where the tables below it go."""

    def __init__(self, memory, *, pid, root=0x10000, free=0x20000, process_table=0xF000):
        self.memory, self.root, self.free = memory, root, free
        self.process_table = process_table
        self.process_entry = process_table + 16 * pid
        self.tables = {}
        memory.store_be(self.process_entry, 8, TREE | root)

    def map(self, ea, ra, shift, authority):
        """Map a page, and return where its entry is."""
        table, left, bits = self.root, 52, 13
        while True:
            left -= bits
            gpa = table + 8 * (ea >> left & (1 << bits) - 1)
            if left == shift:
                self.memory.store_be(gpa, 8, VALID | LEAF | ra | authority)
                return gpa
            bits = 5 if left == 21 and shift == 16 else 9
            if gpa not in self.tables:
                self.tables[gpa] = self.free
                self.free += 4096
            table = self.tables[gpa]
            self.memory.store_be(gpa, 8, VALID | table | bits)


TABLES = 0x40000
ROOM = 0x80000
"""RAM of a program with page tables, which are above ``TABLES``."""
ALL = READ | READ_WRITE | EXECUTE
ROOTS = {0: TABLES + 0x10000, 1: TABLES + 0x20000}
REST = {0: TABLES + 0x1000, 1: TABLES + 0x8000}


def room():
    """RAM for a program and its page tables."""
    return GuestMemory(ROOM)


def switch_on(program):
    """Give a program in a ``room`` empty trees, by PID, and switch translation on."""
    state, memory = program.state, program.memory
    trees = {
        pid: Tree(memory, pid=pid, root=ROOTS[pid], free=REST[pid], process_table=TABLES)
        for pid in ROOTS
    }
    state.write(LPCR, state.read(LPCR) | LPCR_HR | LPCR_UPRT | LPCR_GTSE)
    state.write(PROCESS_TABLE, TABLES)
    state.write(MSR, state.read(MSR) | MSR_IR | MSR_DR)
    return trees
