"""LLVM text: values, labels, and what pure ops are in it."""

from typing import Final

from papvmm.engine.lowering import Atom
from papvmm.isa.ir import COMPARISONS, Lanes, Pure

FMA: Final = "@llvm.fma.f64"
FMA_DECLARATION: Final = f"declare double {FMA}(double, double, double)"
PURE: Final[dict[str, str]] = {
    "add": "add i{n} {0}, {1}",
    "sub": "sub i{n} {0}, {1}",
    "mul": "mul i{n} {0}, {1}",
    "udiv": "udiv i{n} {0}, {1}",
    "sdiv": "sdiv i{n} {0}, {1}",
    "and": "and i{n} {0}, {1}",
    "or": "or i{n} {0}, {1}",
    "xor": "xor i{n} {0}, {1}",
    "shl": "shl i{n} {0}, {1}",
    "lshr": "lshr i{n} {0}, {1}",
    "ashr": "ashr i{n} {0}, {1}",
    "rotl": "call i{n} @llvm.fshl.i{n}(i{n} {0}, i{n} {0}, i{n} {1})",
    "eq": "icmp eq i{of} {0}, {1}",
    "ult": "icmp ult i{of} {0}, {1}",
    "slt": "icmp slt i{of} {0}, {1}",
    "clz": "call i{n} @llvm.ctlz.i{n}(i{n} {0}, i1 false)",
    "popcount": "call i{n} @llvm.ctpop.i{n}(i{n} {0})",
    "zext": "zext i{of} {0} to i{n}",
    "trunc": "trunc i{of} {0} to i{n}",
    "sext": "sext i{of} {0} to i{n}",
    "select": "select i1 {0}, i{n} {1}, i{n} {2}",
}
"""LLVM for each pure op but ``mask``, which decoding always computes, permutes and floats."""
FLOAT: Final[dict[str, str]] = {
    "fadd": "fadd double {0}, {1}",
    "fmul": "fmul double {0}, {1}",
    "fdiv": "fdiv double {0}, {1}",
    "fma": f"call double {FMA}(double {{0}}, double {{1}}, double {{2}})",
    "fsqrt": "call double @llvm.sqrt.f64(double {0})",
    "flt": "fcmp olt double {0}, {1}",
    "feq": "fcmp oeq double {0}, {1}",
}
"""LLVM for pure ops on doubles."""
CONVERSIONS: Final = ("fsingle", "fsigned", "fint")
VECTOR: Final = "<16 x i8>"
EACH_BYTE: Final = int.from_bytes(bytes([1] * 16))


class Text:
    """The body of an LLVM function under construction."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names = 0

    def line(self, text: str) -> None:
        """Append a line."""
        self.lines.append(text)

    def value(self, text: str) -> str:
        """Append a computation and return the name of its result."""
        self._names += 1
        name = f"%t{self._names}"
        self.lines.append(f"{name} = {text}")
        return name

    def label(self) -> str:
        """Return a fresh label."""
        self._names += 1
        return f"L{self._names}"

    def fork(self, condition: Atom, *, likely: bool | None = None) -> str:
        """Go on if ``condition``; return the label for the other case."""
        here, other = self.label(), self.label()
        profile = ", !prof !0" if likely else ""
        self.line(f"br i1 {condition}, label %{here}, label %{other}{profile}")
        self.line(f"{here}:")
        return other

    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        """Append a pure op."""
        if op.code == "permute":
            return self._permute(*args)
        if op.code in FLOAT:
            doubles = [self.value(f"bitcast i64 {arg} to double") for arg in args]
            result = self.value(FLOAT[op.code].format(*doubles))
            return result if op.width == 1 else self.value(f"bitcast double {result} to i64")
        if op.code in CONVERSIONS:
            return self._convert(op.code, *args)
        return self.value(PURE[op.code].format(*args, n=op.width, of=op.of))

    def _convert(self, code: str, number: Atom) -> Atom:
        """Append a conversion to single precision and back, or from or to an integer."""
        if code == "fsigned":
            converted = self.value(f"sitofp i64 {number} to double")
        else:
            double = self.value(f"bitcast i64 {number} to double")
            if code == "fint":
                return self.value(f"fptosi double {double} to i64")
            single = self.value(f"fptrunc double {double} to float")
            converted = self.value(f"fpext float {single} to double")
        return self.value(f"bitcast double {converted} to i64")

    def lanes(self, op: Lanes, args: list[Atom]) -> Atom:
        """Append a lane op."""
        count = op.width // op.lane
        vector = f"<{count} x i{op.lane}>"
        vectors = [self.value(f"bitcast i{op.width} {arg} to {vector}") for arg in args]
        on_vectors = PURE[op.code].replace("i{n}", vector).replace("i{of}", vector)
        result = self.value(on_vectors.format(*vectors))
        if op.code in COMPARISONS:
            result = self.value(f"sext <{count} x i1> {result} to {vector}")
        return self.value(f"bitcast {vector} {result} to i{op.width}")

    def _permute(self, a: Atom, b: Atom, control: Atom) -> Atom:
        """Append a choice of 16 bytes; LLVM numbers the bytes of a vector from the other end."""
        first, second = (self.value(f"bitcast i128 {arg} to {VECTOR}") for arg in (a, b))
        if isinstance(control, int):
            numbers = [byte & 31 ^ 15 for byte in control.to_bytes(16, "little")]
            mask = ", ".join(f"i32 {number}" for number in numbers)
            both = f"{VECTOR} {first}, {VECTOR} {second}"
            chosen = self.value(f"shufflevector {both}, <16 x i32> <{mask}>")
        else:
            within = self.value(f"xor i128 {control}, {EACH_BYTE * 15}")
            of_a, of_b = (self._chosen(vector, within) for vector in (first, second))
            shifted = self.value(f"shl i128 {control}, 3")
            signs = self.value(f"bitcast i128 {shifted} to {VECTOR}")
            is_b = self.value(f"icmp slt {VECTOR} {signs}, zeroinitializer")
            chosen = self.value(f"select <16 x i1> {is_b}, {VECTOR} {of_b}, {VECTOR} {of_a}")
        return self.value(f"bitcast {VECTOR} {chosen} to i128")

    def _chosen(self, vector: str, numbers: str) -> str:
        """Append the choice of bytes by the low four bits of their numbers."""
        low = self.value(f"and i128 {numbers}, {EACH_BYTE * 15}")
        indexes = self.value(f"bitcast i128 {low} to {VECTOR}")
        chosen = "poison"
        for place in range(16):
            index = self.value(f"extractelement {VECTOR} {indexes}, i32 {place}")
            byte = self.value(f"extractelement {VECTOR} {vector}, i8 {index}")
            chosen = self.value(f"insertelement {VECTOR} {chosen}, i8 {byte}, i32 {place}")
        return chosen
