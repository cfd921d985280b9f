"""Hashed page tables against the oracle in ``tests/naive_hash.py``, all of it ever changing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import AMR, IAMR, MSR, SLB_ESID, SLB_VSID, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables
from papvmm.mmu.translate import Access, StorageInterrupt
from tests import hash_pages, naive_hash

SIZE = 0x80000
SEGMENTS = (Interrupt.DATA_SEGMENT, Interrupt.INSTRUCTION_SEGMENT)
ACCESSES = {
    Access.LOAD: naive_hash.LOAD, Access.STORE: naive_hash.STORE, Access.FETCH: naive_hash.FETCH,
}  # fmt: skip
ROOTS = (0, 3 << 28, 1 << 40, 0xC << 60)
LOW = (0x1F7, 0x1FF)

vsids = st.sampled_from([0, 1, 0x123, 0x123_4567])
sizes = st.sampled_from([0, 0, 1])
keys = st.sampled_from([0, 1, 9, 31])
pages = st.builds(
    lambda root, big, number: root | big | number << 12,
    st.sampled_from(ROOTS),
    st.sampled_from([0, 0, 0, 1 << 23, 1 << 24, 15 << 24, 1 << 28]),
    st.integers(0, 20),
)
kinds = st.sampled_from(list(hash_pages.LP))
segments = st.tuples(
    st.just("segment"), st.integers(0, 3), st.sampled_from(ROOTS), vsids, sizes,
    st.sampled_from([*hash_pages.L_LP.values(), 0x120, 0x010]), st.integers(0, 7), st.booleans(),
)  # fmt: skip
maps = st.tuples(
    st.just("map"), vsids, sizes, pages, st.integers(0, SIZE >> 12), kinds,
    st.sampled_from([0, hash_pages.PP0]), st.integers(0, 0x1FF), keys, st.booleans(),
)  # fmt: skip
changes = st.tuples(
    st.just("change"), st.integers(0, 60), st.sampled_from([3, 0x180, 0xC, 1 << 63, 7 << 12])
)
removals = st.tuples(st.just("remove"), st.integers(0, 60))
accesses = st.tuples(st.just("access"), st.sampled_from(list(Access)), pages, st.integers(0, 4095))
registers = st.tuples(
    st.just("registers"), st.booleans(),
    *[st.sampled_from([0, 0, 3 << 62, 1 << 60, 2 << 44, 1 << 44, 3, (1 << 64) - 1])] * 2,
)  # fmt: skip
beginning = st.lists(st.one_of(segments, maps, maps), min_size=2, max_size=12)
steps = st.lists(
    st.one_of(segments, maps, changes, removals, accesses, accesses, accesses, registers),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200)
@given(beginning, steps)
def test_translation_is_what_slb_and_table_say_at_every_access(beginning, steps):
    state, table = ArchState(), HashTable()
    guest = hash_pages.Guest(state, table)
    mmu = Mmu(state, Tables(GuestMemory(SIZE), table))
    slots = []
    for step in beginning + steps:
        match step:
            case ("segment", index, ea, vsid, size, l_lp, keys, valid):
                esid = hash_pages.rb(ea, size=size) if valid else 0
                state.write(SLB_ESID, esid, index)
                state.write(SLB_VSID, hash_pages.rs(vsid, size=size) | l_lp | keys << 9, index)
            case ("map", vsid, size, ea, page, (base, actual), pp0, low, key, secondary):
                low |= pp0 | hash_pages.key(key)
                how = {"base": base, "actual": actual, "size": size, "low": low}
                made = hash_pages.Page(vsid, ea, page << 12, **how)
                group = made.group(guest.groups, secondary=secondary)
                slot = table.free_slot(8 * group)
                if slot is not None:
                    table.enter(slot, made.v | 2 * secondary, made.r)
                    slots.append(slot)
            case ("change", which, mask) if slots:
                slot = slots[which % len(slots)]
                v, r = table.entry(slot)
                if v:
                    table.change(slot, v, r ^ mask)
            case ("remove", which) if slots:
                slot = slots.pop(which % len(slots))
                table.remove(slot, table.entry(slot)[0])
            case ("registers", problem_state, amr, iamr):
                state.write(MSR, MSR_PR * problem_state)
                state.write(AMR, amr)
                state.write(IAMR, iamr)
            case ("access", access, page, offset):
                before = bytearray(table.content)
                expected = from_the_oracle(before, state, page + offset, access)
                assert from_papvmm(mmu, page + offset, access) == expected
                assert table.content == before


def from_papvmm(mmu, ea, access):
    try:
        return mmu.translate(ea, access)
    except StorageInterrupt as fault:
        if fault.interrupt in SEGMENTS:
            return naive_hash.SEGMENT
        return f"{fault.srr1 if fault.dsisr is None else fault.dsisr:#x}"


def from_the_oracle(table, state, ea, access):
    slb = [
        (state.read(SLB_ESID, index), state.read(SLB_VSID, index))
        for index in range(SLB_ESID.count)
    ]
    small_first = sorted(slb, key=lambda entry: entry[1] >> 62)
    try:
        return naive_hash.translate(
            small_first, table, ea, ACCESSES[access],
            problem_state=bool(state.read(MSR)), amr=state.read(AMR), iamr=state.read(IAMR),
        )  # fmt: skip
    except naive_hash.Refused as refused:
        (causes,) = refused.args
        return causes if causes == naive_hash.SEGMENT else f"{causes:#x}"
