"""Branch history and transactions, which a guest is not offered (Power ISA v3.0B, III 9, II 5)."""

from typing import Final

from papvmm.isa.exit import Exit
from papvmm.isa.forms import x_form
from papvmm.isa.instruction import Privilege, Section
from papvmm.isa.operands import RT
from papvmm.isa.state import MMCR0
from papvmm.isa.trace import Trace

section: Final = Section()

MMCR0_BHRBA: Final = 1 << 21
"""Problem state may read the branch history."""


def _check_branch_history(cpu: Trace) -> None:
    if cpu.problem_state:
        cpu.exit_if((cpu[MMCR0] & MMCR0_BHRBA).eq(0), Exit.FACILITY_BHRB)


@section.define("clrbhrb", x_form(31, 430))
def clrbhrb(cpu: Trace) -> None:
    """Clear BHRB."""
    _check_branch_history(cpu)


@section.define("mfbhrbe RT,BHRBE", x_form(31, 302))
def mfbhrbe(cpu: Trace) -> None:
    """Move From Branch History Rolling Buffer: always empty, as no branch is recorded."""
    _check_branch_history(cpu)
    cpu[RT] = cpu.const(0)


for _syntax, _xo in (
    ("tbegin. R10", 654), ("tend. A6", 686), ("tsr. L10", 750), ("tabort. RA", 910),
    ("tabortwc. TO,RA,RB", 782), ("tabortwci. TO,RA,SI5", 846),
    ("tabortdc. TO,RA,RB", 814), ("tabortdci. TO,RA,SI5", 878),
):  # fmt: skip
    section.define_refused(
        _syntax, x_form(31, _xo).dotted, "Transactional Memory.", reason=Exit.FACILITY_TM
    )
section.define_refused("tcheck BF", x_form(31, 718), "Transaction Check.", reason=Exit.FACILITY_TM)
for _syntax, _xo in (("treclaim. RA", 942), ("trechkpt.", 1006)):
    section.define_refused(
        _syntax,
        x_form(31, _xo).dotted,
        "Transactional Memory.",
        reason=Exit.FACILITY_TM,
        privilege=Privilege.SUPERVISOR,
    )
