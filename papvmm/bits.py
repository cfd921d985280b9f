"""MSB-0 fields, masks and sign extension: the only place where bits are numbered."""

from typing import Final

M64: Final = (1 << 64) - 1


def ones(width: int) -> int:
    """Return ``width`` one bits."""
    return (1 << width) - 1


def is_aligned(value: int, alignment: int) -> bool:
    """Tell whether ``value`` is a multiple of ``alignment``, a power of two."""
    return value & (alignment - 1) == 0


def signed(value: int, width: int) -> int:
    """Read the low ``width`` bits of ``value`` as a two's complement number."""
    sign = 1 << width - 1
    return (value & (sign << 1) - 1 ^ sign) - sign


def field(word: int, first: int, last: int, width: int = 32) -> int:
    """Return bits ``first`` to ``last`` of a ``width``-bit word, bit 0 the most significant."""
    return (word >> (width - 1 - last)) & ones(last - first + 1)


def place(value: int, first: int, last: int, width: int = 32) -> int:
    """Return the ``width``-bit word that holds ``value`` in bits ``first`` to ``last``."""
    return (value & ones(last - first + 1)) << (width - 1 - last)


def mask(first: int, last: int) -> int:
    """MASK(x, y) of the Power ISA: 64-bit ones from ``first`` to ``last``, wrapping round."""
    from_first = M64 >> first
    to_last = (M64 << (63 - last)) & M64
    return from_first & to_last if first <= last else from_first | to_last


def rotl(value: int, amount: int, width: int) -> int:
    """Rotate the low ``width`` bits of ``value`` left."""
    return ((value << amount) | (value >> (width - amount))) & ones(width)


def permute(a: int, b: int, control: int) -> int:
    """Return 16 bytes, each of the 32 of a and b that the low bits of a control byte choose.

    Bytes are numbered from the most significant: 0 is the first of ``a``, 16 that of ``b``.
    """
    table = (a << 128 | b).to_bytes(32) * 8
    return int.from_bytes(control.to_bytes(16).translate(table))
