"""KVM_GET/SET_REGS and KVM_GET/SET_SREGS: the registers that need no ONE_REG.

Layouts: ``arch/powerpc/include/uapi/asm/kvm.h``; behaviour: HV KVM, ``book3s_hv.c``.
"""

import errno
from typing import Final, NamedTuple

from papvmm.isa import slb
from papvmm.isa.msr import MSR_HV, MSR_ME
from papvmm.isa.state import (
    CIA,
    CTR,
    GPR,
    LR,
    MSR,
    PID,
    PVR,
    SLB_ESID,
    SLB_VSID,
    SPRG0,
    SPRG1,
    SPRG2,
    SPRG3,
    SRR0,
    SRR1,
    Cell,
)
from papvmm.kvmapi.registers import OneRegError
from papvmm.vcpu.vcpu import Vcpu

SPRGS: Final = (SPRG0, SPRG1, SPRG2, SPRG3)
_AFTER_XER: Final[tuple[Cell, ...]] = (SRR0, SRR1, PID, *SPRGS)

NAMES: Final = (
    "pc", "cr", "ctr", "lr", "xer", "msr", "srr0", "srr1", "pid",
    *(f"sprg{n}" for n in range(8)), *(f"gpr{n}" for n in range(32)),
)  # fmt: skip
"""The doublewords of ``struct kvm_regs``, in order. A POWER9 has no sprg4 to sprg7: they are 0."""


class Sregs(NamedTuple):
    """What is in force of ``struct kvm_sregs``: the processor's version, and valid SLB entries.

    An entry is slbe, RB of slbmte with its number, and slbv, RS.
    """

    pvr: int
    slb: tuple[tuple[int, int], ...] = ()


def get_regs(vcpu: Vcpu) -> tuple[int, ...]:
    """Return ``struct kvm_regs``: 49 unsigned doublewords, as ``NAMES`` lists them."""
    state = vcpu.state
    return (
        state.read(CIA),
        state.cr,
        state.read(CTR),
        state.read(LR),
        state.xer,
        state.read(MSR),
        *(state.read(cell) for cell in _AFTER_XER),
        *(0, 0, 0, 0),
        *(state.read(GPR, index) for index in range(32)),
    )


def set_regs(vcpu: Vcpu, regs: tuple[int, ...]) -> None:
    """Set what ``get_regs`` returns.

    A guest is never the hypervisor and always takes machine checks, whatever its MSR says here.
    """
    state = vcpu.state
    pc, cr, ctr, lr, xer, msr, *rest = regs
    state.write(CIA, pc)
    state.cr = cr
    state.write(CTR, ctr)
    state.write(LR, lr)
    state.xer = xer
    state.write(MSR, msr & ~MSR_HV | MSR_ME)
    for cell, value in zip(_AFTER_XER, rest, strict=False):
        state.write(cell, value)
    for index, value in enumerate(rest[-32:]):
        state.write(GPR, value, index)


def get_sregs(vcpu: Vcpu) -> Sregs:
    """Return what the special registers are."""
    state = vcpu.state
    esids = ((index, state.read(SLB_ESID, index)) for index in range(slb.ENTRIES))
    entries = ((e | n, state.read(SLB_VSID, n)) for n, e in esids if e & slb.VALID)
    return Sregs(state.read(PVR), tuple(entries))


def set_sregs(vcpu: Vcpu, sregs: Sregs) -> None:
    """Set the special registers; EINVAL for another processor than the vcpu is."""
    state = vcpu.state
    pvr = state.read(PVR)
    if sregs.pvr != pvr:
        raise OneRegError(errno.EINVAL, f"the vcpu is a {pvr:#x}, not a {sregs.pvr:#x}")
    for cell in (SLB_ESID, SLB_VSID):
        for index in range(cell.count):
            state.write(cell, 0, index)
    for esid, vsid in sregs.slb:
        slb.enter(state, esid, vsid)
