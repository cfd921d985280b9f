"""Symbolic values: what a description computes with while it is traced."""

from typing import Final, NoReturn, Protocol

from papvmm.isa.ir import Ref


class BadDescription(Exception):
    """An instruction's description breaks a rule of the IR."""


class Recorder(Protocol):
    """What records the ops that values stand for."""

    def const(self, number: int, width: int = 64) -> "Value":
        """Return a constant."""
        ...

    def pure(self, code: str, width: int, *args: "Value") -> "Value":
        """Record a pure op, or fold it."""
        ...


class Value:
    """A symbolic number of a fixed width. Python's ``if`` does not apply: use ``select``."""

    __slots__ = ("recorder", "ref", "width")

    def __init__(self, recorder: Recorder, ref: Ref, width: int) -> None:
        self.recorder: Final = recorder
        self.ref: Final = ref
        self.width: Final = width

    def __bool__(self) -> NoReturn:
        raise BadDescription("a symbolic value has no truth: use select, when= or exit_if")

    def __add__(self, other: "Value | int") -> "Value":
        return self._binary("add", other)

    def __sub__(self, other: "Value | int") -> "Value":
        return self._binary("sub", other)

    def __mul__(self, other: "Value | int") -> "Value":
        return self._binary("mul", other)

    def __and__(self, other: "Value | int") -> "Value":
        return self._binary("and", other)

    def __or__(self, other: "Value | int") -> "Value":
        return self._binary("or", other)

    def __xor__(self, other: "Value | int") -> "Value":
        return self._binary("xor", other)

    def __invert__(self) -> "Value":
        return self._binary("xor", -1)

    def __lshift__(self, amount: "Value | int") -> "Value":
        return self._binary("shl", amount)

    def __rshift__(self, amount: "Value | int") -> "Value":
        return self._binary("lshr", amount)

    def sar(self, amount: "Value | int") -> "Value":
        """Shift right, filling with the sign."""
        return self._binary("ashr", amount)

    def rotl(self, amount: "Value | int") -> "Value":
        """Rotate left."""
        return self._binary("rotl", amount)

    def udiv(self, divisor: "Value | int") -> "Value":
        """Quotient of unsigned numbers; the divisor must not be zero."""
        return self._binary("udiv", divisor)

    def sdiv(self, divisor: "Value | int") -> "Value":
        """Quotient of signed numbers, towards zero; it must be representable."""
        return self._binary("sdiv", divisor)

    def eq(self, other: "Value | int") -> "Value":
        """One if equal."""
        return self._binary("eq", other, 1)

    def ne(self, other: "Value | int") -> "Value":
        """One if different."""
        return ~self.eq(other)

    def ult(self, other: "Value | int") -> "Value":
        """One if less, as unsigned numbers."""
        return self._binary("ult", other, 1)

    def slt(self, other: "Value | int") -> "Value":
        """One if less, as signed numbers."""
        return self._binary("slt", other, 1)

    def clz(self) -> "Value":
        """Count leading zeros."""
        return self.recorder.pure("clz", self.width, self)

    def popcount(self) -> "Value":
        """Count one bits."""
        return self.recorder.pure("popcount", self.width, self)

    def zext(self, width: int) -> "Value":
        """Extend with zeros."""
        return self.recorder.pure("zext", width, self) if width != self.width else self

    def sext(self, width: int) -> "Value":
        """Extend with the sign: EXTS."""
        return self.recorder.pure("sext", width, self) if width != self.width else self

    def trunc(self, width: int) -> "Value":
        """Keep the low ``width`` bits."""
        return self.recorder.pure("trunc", width, self) if width != self.width else self

    def bit(self, number: int) -> "Value":
        """Return bit ``number`` of a 64-bit value, MSB-0."""
        return (self >> (63 - number)).trunc(1)

    def select(self, one: "Value | int", zero: "Value") -> "Value":
        """Return ``one`` if this bit is set, else ``zero``."""
        chosen = zero.coerce(one)
        return self.recorder.pure("select", zero.width, self, chosen, zero)

    def coerce(self, other: "Value | int") -> "Value":
        """Return ``other`` as a value of this width."""
        if isinstance(other, int):
            return self.recorder.const(other, self.width)
        if other.width != self.width:
            raise BadDescription(f"widths {self.width} and {other.width} differ")
        return other

    def _binary(self, code: str, other: "Value | int", width: int = 0) -> "Value":
        return self.recorder.pure(code, width or self.width, self, self.coerce(other))
