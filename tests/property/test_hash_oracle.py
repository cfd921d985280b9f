"""Hashed page tables against the oracle in ``tests/naive_hash.py``, all of it ever changing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import AMR, IAMR, MSR, SLB_ESID, SLB_VSID, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables
from papvmm.mmu.translate import Access
from tests import hash_pages, naive_hash
from tests.translations import answer

SIZE = 0x80000
ACCESSES = {
    Access.LOAD: naive_hash.LOAD, Access.STORE: naive_hash.STORE, Access.FETCH: naive_hash.FETCH,
}  # fmt: skip
ROOTS = (0, 3 << 28, 1 << 40, 0xC << 60)
LOW = (0x1F7, 0x1FF)

vsids = st.sampled_from([1, 0x123, 0x123_4567])
sizes = st.sampled_from([0, 0, 1])
keys = st.sampled_from([0, 0, 0, 1, 9, 31])
offsets = st.builds(
    int.__or__,
    st.sampled_from([0, 0, 0, 0, 1 << 23, 1 << 24]),
    st.sampled_from([0, 1 << 12, 1 << 16]),
)
lows = st.builds(
    int.__or__,
    st.sampled_from([0x12, 0x12, 0x12, 0x10, 0x11, 0x13, 0x16, 0x1A, 0x92, 0x192, 0x1FF]),
    st.sampled_from([0, 0, 0, hash_pages.PP0]),
)
base_sizes = st.sampled_from([12, 12, 16, 24])
beginning = st.lists(
    st.tuples(
        st.sampled_from(ROOTS), vsids, sizes, base_sizes, st.sampled_from([0, 0, 0, 2, 4, 7])
    ),
    min_size=1,
    max_size=3,
)
segments = st.tuples(
    st.just("segment"), st.integers(0, 3), st.sampled_from(ROOTS), vsids, sizes,
    st.sampled_from([*hash_pages.L_LP.values(), 0x120, 0x010]), st.integers(0, 7), st.booleans(),
)  # fmt: skip
maps = st.tuples(
    st.just("map"), st.integers(0, 3), offsets, st.integers(0, SIZE >> 12),
    st.sampled_from([None, None, None, *hash_pages.LP]), st.integers(0, 2),
    lows, keys, st.booleans(),
)  # fmt: skip
changes = st.tuples(
    st.just("change"), st.integers(0, 60), st.sampled_from([3, 0x180, 0xC, 1 << 63, 7 << 12])
)
removals = st.tuples(st.just("remove"), st.integers(0, 60))
accesses = st.tuples(
    st.just("access"), st.sampled_from(list(Access)), st.integers(0, 60), offsets,
    st.integers(0, 4095),
)  # fmt: skip
registers = st.tuples(
    st.just("registers"), st.booleans(),
    *[st.sampled_from([0, 0, 3 << 62, 1 << 60, 2 << 44, 1 << 44, 3, (1 << 64) - 1])] * 2,
)  # fmt: skip
steps = st.lists(
    st.one_of(
        maps, maps, maps, segments, changes, removals, accesses, accesses, accesses, accesses,
        registers,
    ),
    min_size=5,
    max_size=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(beginning, steps)
def test_translation_is_what_slb_and_table_say_at_every_access(beginning, steps):
    scene = Scene()
    for index, (ea, vsid, size, base, flags) in enumerate(beginning):
        scene.guest.segment(ea, vsid, index=index, size=size, base=base, flags=flags << 9)
    for name, *rest in steps:
        getattr(scene, name)(*rest)
        for access, ea in zip(ACCESSES, scene.addresses[-3:], strict=False):
            compare(scene.mmu, ea, access)


class Scene:
    """A vcpu, its table, what is in that, and addresses that were mapped; and all the steps."""

    def __init__(self):
        self.state, self.table = ArchState(), HashTable()
        self.guest = hash_pages.Guest(self.state, self.table)
        self.mmu = Mmu(self.state, Tables(GuestMemory(SIZE), self.table))
        self.slots, self.addresses = [], [0]

    def segment(self, index, ea, vsid, size, l_lp, keys, is_valid):
        self.state.write(SLB_ESID, hash_pages.rb(ea, size=size) if is_valid else 0, index)
        self.state.write(SLB_VSID, hash_pages.rs(vsid, size=size) | l_lp | keys << 9, index)

    def map(self, index, offset, page, kind, larger, low, key, secondary):
        esid, vsid = self.state.read(SLB_ESID, index), self.state.read(SLB_VSID, index)
        size = vsid >> 62
        base, actual = kind or fitting(vsid, larger)
        low |= hash_pages.key(key)
        number = (vsid & ~(3 << 62)) >> (24 if size else 12)
        self.addresses.append(esid >> 28 << 28 | offset)
        made = hash_pages.Page(
            number, self.addresses[-1], page << 12, base=base, actual=actual, size=size, low=low
        )
        slot = self.table.free_slot(8 * made.group(self.guest.groups, secondary=secondary))
        if slot is not None:
            self.table.enter(slot, made.v | 2 * secondary, made.r)
            self.slots.append(slot)

    def change(self, which, mask):
        if self.slots:
            slot = self.slots[which % len(self.slots)]
            v, r = self.table.entry(slot)
            self.table.change(slot, v, r ^ mask)

    def remove(self, which):
        if self.slots:
            slot = self.slots.pop(which % len(self.slots))
            self.table.remove(slot, self.table.entry(slot)[0])

    def registers(self, problem_state, amr, iamr):
        self.state.write(MSR, MSR_PR * problem_state)
        self.state.write(AMR, amr)
        self.state.write(IAMR, iamr)

    def access(self, access, which, page, offset):
        compare(self.mmu, self.addresses[which % len(self.addresses)] ^ page | offset, access)


def compare(mmu, ea, access):
    """Translate an address, and set reference and change bits, in both ways."""
    content = bytearray(mmu.tables.hashed.content)
    expected = from_the_oracle(content, mmu.state, ea, access)
    assert answer(mmu, ea, access) == expected
    assert mmu.tables.hashed.content[:] == content


def fitting(vsid, larger):
    """Return a base page size that a segment has, and one of the sizes of its pages."""
    fits = [kind for kind in hash_pages.LP if hash_pages.L_LP[kind[0]] == vsid & 0x130]
    return fits[larger % len(fits)] if fits else (12, 12)


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
