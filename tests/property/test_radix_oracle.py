"""Radix translation against the oracle in ``tests/naive_radix.py``, the tables ever changing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import AMR, IAMR, LPCR, LPCR_HR, MSR, PID, PROCESS_TABLE, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables
from papvmm.mmu.translate import Access
from tests import naive_radix
from tests.page_tables import Tree
from tests.translations import answer

SIZE = 0x80000
ACCESSES = {
    Access.LOAD: naive_radix.LOAD, Access.STORE: naive_radix.STORE,
    Access.FETCH: naive_radix.FETCH,
}  # fmt: skip

pages = st.builds(
    lambda quadrant, big, number: quadrant << 62 | big << 21 | number << 12,
    st.sampled_from([0, 0, 0, 3, 1]),
    st.sampled_from([0, 0, 1, 1 << 9, 1 << 18, 1 << 31]),
    st.integers(0, 40),
)
maps = st.tuples(
    st.just("map"), pages, st.integers(0, SIZE >> 12), st.sampled_from([12, 12, 12, 16, 21, 30]),
    st.integers(0, 0x1FF), st.integers(0, 1),
)  # fmt: skip
accesses = st.tuples(st.just("access"), st.sampled_from(list(Access)), pages, st.integers(0, 4095))
registers = st.tuples(
    st.just("registers"), st.integers(0, 2), st.booleans(), st.integers(0, 3), st.integers(0, 3)
)
writes = st.tuples(
    st.just("write"), st.integers(0, 60), st.integers(-7, 7), st.binary(min_size=1, max_size=16)
)
copies = st.tuples(st.just("copy"), st.integers(0, 60), st.integers(0, 60))
steps = st.lists(
    st.one_of(maps, accesses, accesses, accesses, registers, writes, copies),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(steps)
def test_translation_is_what_the_tables_say_at_every_access(steps):
    memory, plain = GuestMemory(SIZE), bytearray(SIZE)
    memory.on_write(lambda gpa, n: plain.__setitem__(slice(gpa, gpa + n), memory.read(gpa, n)))
    trees = [
        Tree(memory, pid=pid, root=0x10000 * (pid + 1), free=0x40000 + 0x10000 * pid)
        for pid in (0, 1)
    ]
    state = ArchState()
    state.write(LPCR, LPCR_HR)
    state.write(PROCESS_TABLE, trees[0].process_table)
    mmu = Mmu(state, Tables(memory, HashTable()))
    entries = [gpa for tree in trees for gpa in (tree.process_entry, tree.root)]
    mapped = []
    for step in steps:
        match step:
            case ("map", ea, page, shift, low, pid):
                ra = page << 12 & -1 << shift
                gpa = trees[pid].map(ea & 0xF_FFFF_FFFF_FFFF & -1 << shift, ra, shift, low)
                entries += [gpa, *trees[pid].tables]
                mapped.append(ea)
                check((memory, plain), mmu, state, ea, Access.LOAD)
            case ("write", which, offset, data):
                memory.write(entries[which % len(entries)] + offset, data)
            case ("copy", one, other):
                copied = memory.read(entries[one % len(entries)], 8)
                memory.write(entries[other % len(entries)], copied)
                for ea in mapped:
                    check((memory, plain), mmu, state, ea, Access.LOAD)
            case ("registers", pid, problem_state, amr, iamr):
                state.write(PID, pid)
                state.write(MSR, MSR_PR * problem_state)
                state.write(AMR, amr << 62)
                state.write(IAMR, iamr << 62)
            case ("access", access, page, offset):
                check((memory, plain), mmu, state, page + offset, access)


def check(memories, mmu, state, ea, access):
    """Compare what an access leads to, and does to RAM, with what the oracle says."""
    memory, plain = memories
    before = bytearray(plain)
    expected = from_the_oracle(before, state, ea, access)
    assert answer(mmu, ea, access) == expected
    assert memory.ram == before


def from_the_oracle(ram, state, ea, access):
    try:
        return naive_radix.translate(
            ram, state.read(PROCESS_TABLE), state.read(PID), ea, ACCESSES[access],
            problem_state=bool(state.read(MSR)), amr=state.read(AMR), iamr=state.read(IAMR),
        )  # fmt: skip
    except naive_radix.Refused as refused:
        (causes,) = refused.args
        return causes if causes == naive_radix.SEGMENT else f"{causes:#x}"
