"""What native code shares with the engine: the vcpu buffer and the op record.

The vcpu buffer starts with the architected state; the fields below follow it. An op record
describes one decoded instruction; a page of guest code has one page of records for each mode
it runs in, aligned so that a record's address gives the instruction's, and a record more
that leads to the next page.
"""

from struct import Struct
from typing import Final

from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE, MSR_PR
from papvmm.isa.state import STATE_SIZE
from papvmm.memory.guest_memory import CODE_LINE, PAGE

STOP: Final = STATE_SIZE
"""Why native code stopped: an ``Exit``, a ``Stop`` or an ``Inner``."""
LEFT: Final = STATE_SIZE + 8
"""What was left of the budget when native code stopped, in bytes of op records."""
FLOOR: Final = STATE_SIZE + 16
"""Below this much left, branches go to ``approach``: ``STRETCH``, or ``KICKED`` to make all go."""
KICKED: Final = 1 << 62
DEADLINE: Final = STATE_SIZE + 24
"""The count of instructions at which the budget is used up."""
PLANTED: Final = STATE_SIZE + 32
"""The op record that stops at the end of the budget, or 0; and the handler it replaces."""
PAGE_EA: Final = STATE_SIZE + 48
"""The effective address of the page that code runs in."""
MODE: Final = STATE_SIZE + 56
"""The mode that code runs in: see ``mode_of``."""
RAM_BASE: Final = STATE_SIZE + 64
RAM_SIZE: Final = STATE_SIZE + 72
MARKS: Final = STATE_SIZE + 80
"""The address of ``GuestMemory.code``."""
SHARED: Final = STATE_SIZE + 88
"""The address of what the vcpus of a guest share: the fields from GENERATION on."""
LOOKUP: Final = STATE_SIZE + 96
FILL_LOAD: Final = STATE_SIZE + 104
FILL_STORE: Final = STATE_SIZE + 112
CONTEXT: Final = STATE_SIZE + 120
"""The addresses of functions of the interpreter that regions call."""
ADMITS: Final = STATE_SIZE + 128
"""Not 0 if the budget ends before the next interrupt that MSR[EE] admits."""
RAM_INNER: Final = STATE_SIZE + 136
"""Any access that begins below this real address is within RAM."""
INTERPRET: Final = STATE_SIZE + 144
"""The address of a function of the interpreter that regions call."""
SEEN: Final = STATE_SIZE + 152
"""The generation that the TLBs are of."""
FETCH_KEY: Final = STATE_SIZE + 160
"""What the fetch TLB's tags have below the page ea: see ``fetch_key``."""
DATA_TLB: Final = STATE_SIZE + 168
"""The address of the data TLB in use."""
MISS: Final = STATE_SIZE + 176
"""What an odd access is that the executor can help with, and its address.

``MISSED_LOAD`` and ``MISSED_STORE`` miss the translation of an effective address;
``TABLE_STORE`` is to a real address whose line holds entries of page tables.
"""
BREAKPOINTS: Final = STATE_SIZE + 192
"""The address of a list of effective addresses to stop before, which ``NOWHERE`` ends."""
PASSED: Final = STATE_SIZE + 200
"""The count at which a breakpoint stops nobody: that of a run's first instruction."""
WATCHES: Final = STATE_SIZE + 208
"""0, or the address of a list of watched bytes: see ``WATCH``."""
CONTEXTS: Final = STATE_SIZE + 224
"""For each ``context_of`` an MSR: mode, fetch key, address of the data TLB; mode -1: stop."""
CONTEXT_SIZE: Final = 32
TLB_ENTRIES: Final = 1024
FETCH_TLB: Final = CONTEXTS + 16 * CONTEXT_SIZE
"""Entries of 16 bytes: page ea and fetch key, address of the page's op records."""
DATA_TLBS: Final = FETCH_TLB + 16 * TLB_ENTRIES
"""A data TLB for real mode, one for problem state, and one for each AMR key 0 otherwise.

Entries have 32 bytes: page ea if readable, page ea if writable, host address minus ea, and page
ea if writable with care, that is, after a look at the marks.
"""
DATA_TLB_SIZE: Final = 32 * TLB_ENTRIES
TLBS_FOR_DATA: Final = 6
TAGS: Final = (0, 8, 24)
STAMP: Final = DATA_TLBS + TLBS_FOR_DATA * DATA_TLB_SIZE
"""What entries of the tables below have that are still true: it changes when all are not."""
SECOND: Final = 64
"""Second tables, for what TLBs have no room for, have so many times their entries."""
SECOND_FETCH: Final = STAMP + 8
"""For the fetch TLB. Entries have 32 bytes: page ea and fetch key, op records, and a stamp."""
SECOND_DATA: Final = SECOND_FETCH + 32 * SECOND * TLB_ENTRIES
"""For each data TLB, though nothing is put into that of real mode.

Entries have 32 bytes: page ea if readable, page ea if writable with care, host address minus
ea, and a stamp.
"""
VCPU_SIZE: Final = SECOND_DATA + SECOND * TLBS_FOR_DATA * DATA_TLB_SIZE
MISSED_LOAD: Final = 1
MISSED_STORE: Final = 2
TABLE_STORE: Final = 3

GENERATION: Final = 0
"""Changes when TLBs of earlier ones have to be forgotten; by ``UNTRUE``, second tables, too.

It is never below ``UNTRUE``, so that a SEEN of 0 has everything forgotten.
"""
UNTRUE: Final = 1 << 32
FRESH: Final = 8
"""The address of the next unused op page; ``FRESH_END`` if there are no more."""
FRESH_END: Final = 16
PLACES: Final = 24
"""The address of a list of the breakpoints of all vcpus, which ``NOWHERE`` ends."""
OP_PAGES: Final = 32
"""The address of the table of op pages: ``MODES`` addresses, or 0, for each page of RAM."""
ISA: Final = 40
"""The version of the Power ISA that the guest's processors implement, as ``Isa`` numbers it."""
SHARED_SIZE: Final = 48
CONTEXT_SHIFT: Final = 2
"""How far MSR[IR] and MSR[DR] are from where a context's number has them."""
NOWHERE: Final = (1 << 64) - 1
WATCH: Final = Struct("<QQQ")
"""First byte, last byte, and a sum of the following, which is 0 after the last watch."""
WATCHED_LOADS: Final = 1
WATCHED_STORES: Final = 2
WATCHED_REAL: Final = 4
"""The bytes have real addresses."""

PAGE_MASK: Final = -PAGE & (1 << 64) - 1
LINES: Final = PAGE // CODE_LINE
"""Marks for each page of RAM."""
RECORD: Final = Struct("<QQ4HII")
"""Handler, wide slot, four small slots, heat, instruction word."""
RECORD_SHIFT: Final = 3
"""A record is 32 bytes, an instruction 4."""
RECORDS_SIZE: Final = PAGE << RECORD_SHIFT
UNIT: Final = RECORD.size
"""Budgets are counted in bytes of op records, so that ``limit - ip`` is what is left."""
UNIT_SHIFT: Final = 5
STRETCH: Final = RECORDS_SIZE
"""No path without a taken branch back, interpreted or translated, is longer."""
BELOW: Final = RECORDS_SIZE + 8
"""Where, from an op record on, the handler is that a region there replaced, or 0."""
WIDEST: Final = 16
"""Bytes of an access, at most."""
STRIDE: Final = 2 * RECORDS_SIZE
"""Op pages are so far apart, for their alignment and for what is above the records."""
HOME: Final = RECORDS_SIZE + 16
"""Where, in an op page, is said of which page of RAM it is, and of which mode: 8 bytes each.

The address of the page has 1 added where there may be breakpoints, so that no region takes it
for a page that it knows.
"""
WIDE_SLOT: Final = 8
SMALL_SLOT: Final = 16
HEAT: Final = 24
"""Where, in an op record, is counted how often it was looked up."""

REAL_MODES: Final = 4
BREAKING: Final = 8
MODES: Final = 16
"""The first ``REAL_MODES`` are those without translation, of code or of data.

Those from ``BREAKING`` on are the same again, for what runs at addresses on whose page there
are breakpoints: their op records look out for them.
"""


def mode_of(msr: int) -> int:
    """Return the number of the mode that an MSR asks for: problem state, byte order."""
    translated = REAL_MODES if msr & (MSR_IR | MSR_DR) else 0
    return translated | (2 if msr & MSR_PR else 0) | (1 if msr & MSR_LE else 0)


def context_of(msr: int) -> int:
    """Return the number of an MSR's row in CONTEXTS: MSR[IR], MSR[DR], and PR and LE."""
    return msr >> CONTEXT_SHIFT & 3 << 2 | mode_of(msr) & REAL_MODES - 1


FETCH_KEYS: Final = 32


def fetch_key(mode: int, *, translated: bool, key: int) -> int:
    """Return what tells apart what an effective address may lead to, for fetches.

    ``key`` is what IAMR says of pages that problem state may use.
    """
    return mode | translated << 3 | key << 4


def is_little_endian(mode: int) -> bool:
    """Tell the byte order of a mode."""
    return bool(mode & 1)


def is_problem_state(mode: int) -> bool:
    """Tell the privilege of a mode."""
    return bool(mode & 2)
