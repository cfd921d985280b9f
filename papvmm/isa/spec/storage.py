"""Caches, ordering and translation (Power ISA v3.0B, Book II, 4; Book III, 5.9).

Storage accesses happen in program order here, and stores reach instruction fetches at once,
so ordering them takes nothing.
"""

from typing import Final

from papvmm.isa.exit import Exit
from papvmm.isa.forms import Form, x_form
from papvmm.isa.instruction import Privilege, Section
from papvmm.isa.operands import L9, PRS
from papvmm.isa.spec.fixedload import effective_address, sum_address
from papvmm.isa.state import LPCR, LPCR_GTSE, LPCR_HR
from papvmm.isa.trace import Trace

section: Final = Section()

LINE: Final = 128
"""Bytes in a cache block, as dcbz knows it."""

PTESYNC: Final = 2


def _nothing(syntax: str, form: Form, title: str, privilege: Privilege = Privilege.NONE) -> None:
    def describe(_cpu: Trace) -> None:
        return

    describe.__doc__ = title
    section.define(syntax, form, privilege=privilege)(describe)


_nothing("dcbt RA0,RB,TH", x_form(31, 278), "Data Cache Block Touch.")
_nothing("dcbtst RA0,RB,TH", x_form(31, 246), "Data Cache Block Touch for Store.")
_nothing("icbt CT,RA0,RB", x_form(31, 22), "Instruction Cache Block Touch.")
_nothing("isync", x_form(19, 150), "Instruction Synchronize.")
_nothing("eieio", x_form(31, 854), "Enforce In-order Execution of I/O.")
_nothing("dst RA0,RB,STRM", x_form(31, 342), "Data Stream Touch: no longer does anything.")
_nothing("dstst RA0,RB,STRM", x_form(31, 374), "Data Stream Touch for Store, the same.")
_nothing("dss STRM", x_form(31, 822), "Data Stream Stop, the same.")
_nothing("wait WC", x_form(31, 30), "Wait: over at once, as any event may end it.")
_nothing("cpabort", x_form(31, 838), "Copy-Paste Abort.")
_nothing("slbsync", x_form(31, 338), "SLB Synchronize.", Privilege.SUPERVISOR)

for _xo in (530, 562, 594, 626, 658, 690, 722, 754):
    _nothing(f"reserved_nop_{_xo}", x_form(31, _xo), "Reserved no-op.")


@section.define("sync L9", x_form(31, 598))
def sync(cpu: Trace) -> None:
    """Synchronize: heavyweight, lwsync (L=1) and ptesync (L=2), which is privileged."""
    if cpu.static(L9) == PTESYNC and cpu.problem_state:
        cpu.refuse(Exit.PRIVILEGED)


def _touches(syntax: str, form: Form, title: str) -> None:
    """Add an operation that is treated as a load of its block, as for storage interrupts."""

    def describe(cpu: Trace) -> None:
        cpu.load(effective_address(cpu), 8)

    describe.__doc__ = title
    section.define(syntax, form)(describe)


_touches("dcbst RA0,RB", x_form(31, 54), "Data Cache Block Store.")
_touches("dcbf RA0,RB,L9", x_form(31, 86), "Data Cache Block Flush.")
_touches("icbi RA0,RB", x_form(31, 982), "Instruction Cache Block Invalidate.")


@section.define("dcbz RA0,RB", x_form(31, 1014))
def dcbz(cpu: Trace) -> None:
    """Data Cache Block set to Zero."""
    block = cpu.address(sum_address(cpu) & -LINE)
    for offset in range(0, LINE, 16):
        cpu.store(block + offset, cpu.const(0, 128))


def _unless_hypervisors(cpu: Trace) -> None:
    """Stop unless LPCR[GTSE] lets the guest invalidate translations everywhere."""
    cpu.exit_if((cpu[LPCR] & LPCR_GTSE).eq(0), Exit.PRIVILEGED)


def _unless_partition_scoped(cpu: Trace) -> None:
    """Stop if the operation is on the hypervisor's translations: with PRS=0, for radix."""
    cpu.exit_if(cpu[PRS].eq(0) & (cpu[LPCR] & LPCR_HR).ne(0), Exit.PRIVILEGED)


# A translation never outlives the table entries it follows from: see ``mmu/page_tables.py``.
# So an instruction that invalidates translations has nothing left to do.


@section.define("tlbie RB,RS,RIC,PRS,R", x_form(31, 306), privilege=Privilege.SUPERVISOR)
def tlbie(cpu: Trace) -> None:
    """TLB Invalidate Entry."""
    _unless_hypervisors(cpu)
    _unless_partition_scoped(cpu)


@section.define("tlbiel RB,RS,RIC,PRS,R", x_form(31, 274), privilege=Privilege.SUPERVISOR)
def tlbiel(cpu: Trace) -> None:
    """TLB Invalidate Entry Local."""
    _unless_partition_scoped(cpu)


@section.define("tlbsync", x_form(31, 566), privilege=Privilege.SUPERVISOR)
def tlbsync(cpu: Trace) -> None:
    """TLB Synchronize."""
    _unless_hypervisors(cpu)


# The segment registers of 32-bit processors are gone, but moving them is privileged still.
for _syntax, _xo in (
    ("mtsrd SR,RS", 82), ("mtsrdin RS,RB", 114), ("mtsr SR,RS", 210), ("mtsrin RS,RB", 242),
    ("mfsr RT,SR", 595), ("mfsrin RT,RB", 659),
):  # fmt: skip
    section.define_refused(
        _syntax,
        x_form(31, _xo),
        "Move Segment Register.",
        reason=Exit.ILLEGAL,
        privilege=Privilege.SUPERVISOR,
    )
section.define_refused("copy RA0,RB", x_form(31, 774), "Copy.")
section.define_refused("paste. RA0,RB", x_form(31, 902).dotted, "Paste.")

for _name, _xo, _title in (
    ("msgsnd RB", 206, "Message Send."),
    ("msgclr RB", 238, "Message Clear."),
    ("msgsync", 886, "Message Synchronize."),
):
    section.define_refused(_name, x_form(31, _xo), _title, privilege=Privilege.HYPERVISOR)
