"""The floating-point status and control register and its rules (Power ISA v3.0B, Book I, 4.2.2)."""

from typing import Final, NamedTuple

FX, FEX, VX, OX, UX, ZX, XX = (1 << (31 - n) for n in range(7))
VXSNAN, VXISI, VXIDI, VXZDZ, VXIMZ, VXVC, FR, FI = (1 << (31 - n) for n in range(7, 15))
C, FPCC = 1 << 16, 0xF << 12
FPRF: Final = C | FPCC
VXSOFT, VXSQRT, VXCVI, VE, OE, UE, ZE, XE = (1 << n for n in range(10, 2, -1))
ENABLES: Final = VE | OE | UE | ZE | XE
RN: Final = 3
DRN: Final = 7 << 32
WRITABLE: Final = DRN | 0xFFFF_F7FF
"""All but the reserved bits."""
INVALID: Final = VXSNAN | VXISI | VXIDI | VXZDZ | VXIMZ | VXVC | VXSOFT | VXSQRT | VXCVI
EXCEPTIONS: Final = INVALID | OX | UX | ZX | XX

NEAREST, TOWARD_ZERO, UP, DOWN, AWAY = range(5)
"""Rounding modes, numbered as in FPSCR[RN]; only rounding to an integer takes ties away."""


class Answer(NamedTuple):
    """A result that needs no rounding, and the exceptions that go with it."""

    bits: int
    flags: int = 0


class Outcome(NamedTuple):
    """What an operation does: the new target register (None: unchanged) and FPSCR."""

    result: int | None
    fpscr: int


def conclude(answer: Answer, fprf: int, fpscr: int) -> Outcome:
    """Enter an answer into FPSCR; an enabled invalid operation or zero divide has no result."""
    suppressed = is_suppressed(answer.flags, fpscr)
    kept = fpscr & ~(FR | FI) if suppressed else fpscr & ~(FR | FI | FPRF) | fprf
    after = raise_exceptions(kept, answer.flags) | answer.flags & (FR | FI)
    return Outcome(None if suppressed else answer.bits, after)


def conclude_quietly(answer: Answer, fpscr: int) -> Outcome:
    """Enter an answer that leaves FR, FI and FPRF alone."""
    suppressed = is_suppressed(answer.flags, fpscr)
    after = raise_exceptions(fpscr, answer.flags)
    return Outcome(None if suppressed else answer.bits, after)


def is_suppressed(flags: int, fpscr: int) -> bool:
    """Tell whether these exceptions, being enabled, keep an operation from having a result."""
    return bool((flags & INVALID and fpscr & VE) or (flags & ZX and fpscr & ZE))


def raise_exceptions(fpscr: int, flags: int) -> int:
    """Set sticky bits; FX tells that one of them was clear."""
    flags &= EXCEPTIONS
    return summarise(fpscr | flags | (FX if flags & ~fpscr else 0))


def summarise(fpscr: int) -> int:
    """Recompute VX and FEX."""
    fpscr = fpscr & ~(VX | FEX) | (VX if fpscr & INVALID else 0)
    exceptions = fpscr >> 25 & 0x1F  # VX OX UX ZX XX, in the order of their enables
    return fpscr | (FEX if exceptions & fpscr >> 3 else 0)


def replace_bits(fpscr: int, value: int, mask: int) -> int:
    """Write some bits, as a program does."""
    mask &= WRITABLE
    return summarise(fpscr & ~mask | value & mask)
