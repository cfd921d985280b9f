"""Regions of code that runs in real mode: where it is, and where data are, needs no looking up."""

from collections.abc import Sequence

from papvmm.engine.lowering import Atom
from papvmm.engine.native import layout
from papvmm.engine.native.region import INTERPRETED, Region
from papvmm.memory.guest_memory import CODE_LINE


class RealRegion(Region):
    """The function of such a region under construction."""

    def load_constants(self) -> None:
        self.line(f"%ram_base = load i64, ptr {self.field(layout.RAM_BASE)}")
        self.line(f"%marks = load ptr, ptr {self.field(layout.MARKS)}")

    def enter_at(self, address: str, entries: Sequence[int]) -> None:
        first, *others = entries
        targets = " ".join(f"i64 {entry}, label %B{entry:x}" for entry in others)
        self.line(f"switch i64 {address}, label %B{first:x} [{targets}]")

    def unless_there(self, address: int) -> list[str]:  # noqa: ARG002 - it cannot be elsewhere
        return []

    def host_address(self, ea: Atom, size: int, *, is_store: bool) -> str:
        """Go to RAM directly, which real mode allows; the interpreter sees to what is odd.

        That is what may reach out of RAM, and stores to lines that code is on.
        """
        assert size <= layout.WIDEST
        inner = self.value(f"load volatile i64, ptr {self.field(layout.RAM_INNER)}")
        inside = self.value(f"icmp ult i64 {ea}, {inner}")
        odd, go_on, leave = self.fork(inside, likely=True), self.label(), self.label()
        self.line(f"br label %{go_on}\n{odd}:\nbr label %{leave}\n{go_on}:")
        if is_store:
            line = self.value(f"lshr i64 {ea}, {CODE_LINE.bit_length() - 1}")
            mark = self.value(f"load i8, ptr {self.beside('%marks', line)}")
            odd = self.fork(self.value(f"icmp eq i8 {mark}, 0"), likely=True)
            go_on = self.label()
            self.line(f"br label %{go_on}\n{odd}:\nbr label %{leave}")
        else:
            go_on = self.label()
            self.line(f"br label %{go_on}")
        self.line(f"{leave}:")
        self.stop_before(INTERPRETED)
        self.line(f"{go_on}:")
        address = self.value(f"add i64 %ram_base, {ea}")
        return self.value(f"inttoptr i64 {address} to ptr")
