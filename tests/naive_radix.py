"""Radix translation written down again, bit by bit as the Power ISA numbers them: the oracle.

It knows nothing of papvmm's walk, looks at RAM at every access and remembers nothing.
"""

LOAD, STORE, FETCH = "load", "store", "fetch"
NO_PTE, NO_EXECUTE, PROTECTED, IS_STORE = 1 << 30, 1 << 28, 1 << 27, 1 << 25
KEY, BAD_TREE, BAD_TABLE = 1 << 21, 1 << 19, 1 << 17
SEGMENT = "segment"


class Doubleword:
    """A doubleword in memory, whose bits are numbered from the most significant one."""

    def __init__(self, memory, address):
        if address + 8 > len(memory):
            raise Refused(BAD_TABLE)
        self.memory, self.address = memory, address
        self.text = f"{int.from_bytes(memory[address : address + 8], 'big'):064b}"

    def __getitem__(self, bits):
        first, last = bits
        return int(self.text[first : last + 1], 2)

    def base(self, first, last):
        """A field of an address, with what is right of it 0."""
        return self[first, last] << 63 - last

    def set(self, bit):
        self.text = self.text[:bit] + "1" + self.text[bit + 1 :]
        self.memory[self.address : self.address + 8] = int(self.text, 2).to_bytes(8, "big")


class Refused(Exception):
    """The access ends in an interrupt."""


def translate(memory, process_table, pid, ea, access, *, problem_state, amr, iamr):
    """Return the real address, or raise ``Refused`` with SEGMENT or DSISR/SRR1 bits."""
    address = f"{ea:064b}"
    if address[:12] not in ("0" * 12, "11" + "0" * 10):
        raise Refused(SEGMENT)
    try:
        real = _walk(memory, process_table, 0 if ea >> 62 else pid, address, access, {
            "problem_state": problem_state, "amr": f"{amr:064b}", "iamr": f"{iamr:064b}",
        })  # fmt: skip
    except Refused as refused:
        (causes,) = refused.args
        raise Refused(causes | IS_STORE if access == STORE else causes) from None
    return real


def _walk(memory, process_table, pid, address, access, how):
    entries = 2 ** ((process_table & 31) + 12) // 16
    if pid >= entries:
        raise Refused(NO_PTE)
    entry = Doubleword(memory, (process_table >> 12 << 12) + pid * 16)
    if entry[1, 2] * 8 + entry[56, 58] != 52 - 31:
        raise Refused(BAD_TREE)
    table, width, used = entry.base(4, 55), entry[59, 63], 12
    for level in ("1G", "1G", "2M", "4K or 64K"):
        if level == "1G" and used == 12 and width != 13:
            raise Refused(BAD_TREE)
        if used > 12 and width != 9 and not (level == "4K or 64K" and width == 5):
            raise Refused(BAD_TREE)
        index = int(address[used : used + width], 2)
        used += width
        entry = Doubleword(memory, table + 8 * index)
        if not entry[0, 0]:
            raise Refused(NO_PTE)
        if entry[1, 1]:
            break
        table, width = entry.base(8, 55), entry[59, 63]
    else:
        raise Refused(BAD_TREE)
    if used == 12 + 13:
        raise Refused(BAD_TREE)
    _check(entry, access, **how)
    entry.set(55)
    if access == STORE:
        entry.set(56)
    return int(f"{entry[0, 63]:064b}"[7:used].rjust(used, "0") + address[used:], 2)


def _check(entry, access, *, problem_state, amr, iamr):
    privileged, read, read_write, execute = (entry[bit, bit] for bit in (60, 61, 62, 63))
    no_store, no_load, no_execute = amr[0] == "1", amr[1] == "1", iamr[1] == "1"
    by_key = not problem_state and not privileged
    causes = 0
    out = problem_state and privileged
    if access == FETCH:
        if entry[58, 59] == 0b10:
            raise Refused(NO_EXECUTE)
        if out or not execute:
            causes += NO_EXECUTE
        if by_key and no_execute:
            causes += KEY
    else:
        if out or not (read_write or (read and access == LOAD)):
            causes += PROTECTED
        if by_key and (no_store if access == STORE else no_load):
            causes += KEY
    if causes:
        raise Refused(causes)
