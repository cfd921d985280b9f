"""Regions of code that runs with translation on.

They know where their pages were when they were compiled. What that leads to may be another
page now, so it is looked at when a region is entered, and when it goes from page to page.
Nothing else can change it: instructions that could leave the region, and so do stores to
page tables.
"""

from collections.abc import Sequence

from papvmm.engine.native import layout
from papvmm.engine.native.region import Region
from papvmm.memory.guest_memory import PAGE


class TranslatedRegion(Region):
    """The function of such a region under construction."""

    def load_constants(self) -> None:
        self.line(f"%tlb = load ptr, ptr {self.field(layout.DATA_TLB)}")
        self.line(f"%key = load i64, ptr {self.field(layout.FETCH_KEY)}")

    def enter_at(self, address: str, entries: Sequence[int]) -> None:
        targets = " ".join(f"i64 {self.ea(entry)}, label %B{entry:x}" for entry in entries)
        self.line(f"switch i64 {address}, label %below [{targets}]")

    def unless_there(self, address: int) -> list[str]:
        """Go on if the fetch TLB has the page that is expected."""
        ea, ra = self.ea(address) // PAGE * PAGE, address // PAGE * PAGE
        entry = self.fetch_entry(self.mixed(ea // PAGE, "%key"))
        tag = self.value(f"load i64, ptr {entry}")
        wanted = self.value(f"or i64 {ea}, %key")
        missing = self.fork(self.value(f"icmp eq i64 {tag}, {wanted}"), likely=True)
        here = self.label()
        self.line(f"br label %{here}\n{here}:")
        records = self.value(f"load ptr, ptr {self.beside(entry, 8)}")
        home = self.value(f"load i64, ptr {self.beside(records, layout.HOME)}")
        return [missing, self.fork(self.value(f"icmp eq i64 {home}, {ra}"), likely=True)]

    def data_tlb(self) -> str:
        return "%tlb"
