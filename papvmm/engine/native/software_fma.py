"""a*c + b, rounded once, for hosts that can't: LLVM text.

By error-free sums and products and one sum that is rounded to odd (Boldo and Melquiond, 2008).
Where operands are so great or small that these may not be free of error, the answer is a NaN;
descriptions leave all that has no finite result to softfloat.
"""

from typing import Final

from papvmm.engine.native.text import Text

FUNCTION: Final = "@software_fma"
SPLITTER: Final = "0x41A0000002000000"
"""2**27 + 1: what halves the digits of a double."""
NAN: Final = "0x7FF8000000000000"
FACTORS: Final = 300
ADDENDS: Final = 700
"""Exponents, at most, of factors and of what is added."""


class _Doubles(Text):
    """Arithmetic on doubles, as text."""

    def add(self, a: str, b: str) -> str:
        """Return a + b."""
        return self.value(f"fadd double {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        """Return a - b."""
        return self.value(f"fsub double {a}, {b}")

    def mul(self, a: str, b: str) -> str:
        """Return a * b."""
        return self.value(f"fmul double {a}, {b}")

    def exact_sum(self, a: str, b: str) -> tuple[str, str]:
        """Return a sum and what is lost of it."""
        total = self.add(a, b)
        b_there = self.sub(total, a)
        a_there = self.sub(total, b_there)
        return total, self.add(self.sub(a, a_there), self.sub(b, b_there))

    def exact_product(self, a: str, c: str) -> tuple[str, str]:
        """Return a product and what is lost of it."""
        product = self.mul(a, c)
        (a_high, a_low), (c_high, c_low) = self._halves(a), self._halves(c)
        rest = self.sub(self.mul(a_high, c_high), product)
        rest = self.add(self.add(rest, self.mul(a_high, c_low)), self.mul(a_low, c_high))
        return product, self.add(rest, self.mul(a_low, c_low))

    def _halves(self, a: str) -> tuple[str, str]:
        scaled = self.mul(a, SPLITTER)
        high = self.sub(scaled, self.sub(scaled, a))
        return high, self.sub(a, high)

    def odd_sum(self, a: str, b: str) -> str:
        """Return a sum, the neighbour with an odd last digit if it is not exact."""
        total, lost = self.exact_sum(a, b)
        bits = self.value(f"bitcast double {total} to i64")
        inexact = self.value(f"fcmp one double {lost}, 0.0")
        even = self.value(f"icmp eq i64 {self.value(f'and i64 {bits}, 1')}, 0")
        moves = self.value(f"and i1 {inexact}, {even}")
        negative = self.value(f"icmp slt i64 {bits}, 0")
        inward = self.value(f"xor i1 {negative}, {self.value(f'fcmp olt double {lost}, 0.0')}")
        step = self.value(f"select i1 {inward}, i64 -1, i64 1")
        moved = self.value(f"add i64 {bits}, {step}")
        chosen = self.value(f"select i1 {moves}, i64 {moved}, i64 {bits}")
        return self.value(f"bitcast i64 {chosen} to double")

    def within(self, a: str, exponent: int) -> str:
        """Tell whether a number is not 0 and its exponent no greater than that, nor less."""
        twice = self.value(f"shl i64 {self.value(f'bitcast double {a} to i64')}, 1")
        above = self.value(f"sub i64 {twice}, {1023 - exponent << 53}")
        return self.value(f"icmp ult i64 {above}, {2 * exponent << 53}")

    def is_zero(self, a: str) -> str:
        """Tell whether a number is 0."""
        return self.value(f"fcmp oeq double {a}, 0.0")


def software_fma() -> str:
    """Return the function's definition."""
    text = _Doubles()
    product, rest = text.exact_product("%a", "%c")
    high, low = text.exact_sum("%b", rest)
    top, middle = text.exact_sum(product, high)
    result = text.add(top, text.odd_sum(low, middle))
    fine = text.value(f"and i1 {text.within('%a', FACTORS)}, {text.within('%c', FACTORS)}")
    addend = text.value(f"or i1 {text.within('%b', ADDENDS)}, {text.is_zero('%b')}")
    fine = text.value(f"and i1 {fine}, {addend}")
    result = text.value(f"select i1 {fine}, double {result}, double {NAN}")
    nothing = text.value(f"or i1 {text.is_zero('%a')}, {text.is_zero('%c')}")
    alone = text.add(text.mul("%a", "%c"), "%b")
    result = text.value(f"select i1 {nothing}, double {alone}, double {result}")
    body = "\n".join(text.lines)
    head = f"define internal double {FUNCTION}(double %a, double %c, double %b) #1"
    return f"{head} {{\n{body}\nret double {result}\n}}\n"
