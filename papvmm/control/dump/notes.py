"""The notes of a core file: each vcpu's registers in Linux's structures, and who made the file.

Layouts: Linux's ``elf_prstatus`` with a ``pt_regs`` of 48 doublewords, ``elf_fpregset_t``, and the
register sets of NT_PPC_VMX and NT_PPC_VSX. All is in the guest's byte order.
"""

from collections.abc import Iterator
from struct import pack
from typing import Final, Literal, TypeAlias

from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, CTR, DAR, DSISR, GPR, LR, MSR, VRSAVE, VSCR, VSR
from papvmm.vcpu.vcpu import Vcpu

Order: TypeAlias = Literal["little", "big"]

SIGN: Final = {"little": "<", "big": ">"}
"""What ``struct`` calls a byte order."""

NT_PRSTATUS: Final = 1
NT_FPREGSET: Final = 2
NT_PPC_VMX: Final = 0x100
NT_PPC_VSX: Final = 0x102
CORE: Final = "CORE"
LINUX: Final = "LINUX"
QEMU: Final = "QEMU"
"""The owner of a note by which drgn knows that addresses are physical ones."""
VMCOREINFO: Final = "VMCOREINFO"
"""The owner of the note in which Linux says what debuggers want to know about it."""

VECTOR: Final = 16
"""Bytes of a vector register."""


def note(owner: str, kind: int, content: bytes, order: Order) -> bytes:
    """Return a note: owner and content are padded to words."""
    name = owner.encode() + b"\0"
    head = pack(f"{SIGN[order]}3I", len(name), len(content), kind)
    return head + _padded(name) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def vcpu_notes(vcpu: Vcpu, order: Order) -> Iterator[bytes]:
    """Yield the notes of a vcpu, which is a thread of that id plus one."""
    yield note(CORE, NT_PRSTATUS, _prstatus(vcpu, order), order)
    yield note(CORE, NT_FPREGSET, _fpregset(vcpu, order), order)
    yield note(LINUX, NT_PPC_VMX, _vmx(vcpu, order), order)
    yield note(LINUX, NT_PPC_VSX, _vsx(vcpu, order), order)


def qemu_note(order: Order) -> bytes:
    """Return a note as QEMU leaves one: a version and a size, of nothing more."""
    return note(QEMU, 0, pack(f"{SIGN[order]}2I", 1, 8), order)


def _prstatus(vcpu: Vcpu, order: Order) -> bytes:
    state = vcpu.state
    registers = (
        *(state.read(GPR, number) for number in range(32)),
        state.read(CIA), state.read(MSR), state.read(GPR, 3), state.read(CTR), state.read(LR),
        state.xer, state.cr, 0, 0, state.read(DAR), state.read(DSISR), 0,
        *(0,) * 4,
    )  # fmt: skip
    no_signal, no_times, fp_is_valid = (0, 0, 0, 0, 0, 0), (0,) * 8, 1
    processes = (vcpu.vcpu_id + 1, 0, 0, 0)
    return pack(
        f"{SIGN[order]}3ihxx2Q4i8Q48Qi4x",
        *(*no_signal, *processes, *no_times, *registers, fp_is_valid),
    )


def _fpregset(vcpu: Vcpu, order: Order) -> bytes:
    fprs = (vcpu.state.read(VSR, 2 * number + 1) for number in range(32))
    return pack(f"{SIGN[order]}33Q", *fprs, settle(vcpu.state))


def _vmx(vcpu: Vcpu, order: Order) -> bytes:
    """Return VRs, VSCR as a vector, and VRSAVE in the first word of another."""
    state = vcpu.state
    vectors = [state.vsr(32 + number) for number in range(32)]
    vectors.append(state.read(VSCR))
    vrsave = pack(f"{SIGN[order]}I12x", state.read(VRSAVE))
    return b"".join(vector.to_bytes(VECTOR, order) for vector in vectors) + vrsave


def _vsx(vcpu: Vcpu, order: Order) -> bytes:
    """Return the low doublewords of the VSRs whose high ones are the FPRs."""
    return pack(f"{SIGN[order]}32Q", *(vcpu.state.read(VSR, 2 * number) for number in range(32)))
