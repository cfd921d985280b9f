"""Radix trees as a guest builds them."""

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
