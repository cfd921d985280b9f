"""LLVM text of what handlers call when the data TLB misses, and stores to lines with code on."""

from typing import Final

from papvmm.engine.code_marks import CODE_NATIVE, DERIVED
from papvmm.engine.native import layout
from papvmm.engine.native.decoding import LINE_SHIFT, NOBODY
from papvmm.engine.native.lower import FILLER, LlvmText
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.page_tables import CODE_TABLE
from papvmm.mmu.space import PAGE_SHIFT
from papvmm.mmu.translate import REAL_MODE_BITS

ELSEWHERE: Final = DERIVED & ~CODE_NATIVE
"""Marks of a line whose code native stores can't forget."""
_NOT_WATCHED, _NEAR, _HIT = range(3)
"""What ``watched`` tells of an access: nothing, that a byte of its page is watched, or it is."""


def slow_paths() -> str:
    """Return the text of ``fill_load``, ``fill_store`` and what they need."""
    return "\n".join((_watched(), _fill_load(), _forget(), _fill_store()))


class Slow(LlvmText):
    """A slow path of data accesses: ``ea`` and ``size`` are its parameters.

    It returns the host address, or 0 if the access has to be left to the stepper: perhaps only
    because a translation is missing, which the engine is told.
    """

    def __init__(self, missed: int) -> None:
        super().__init__()
        real, translated, found = self.label(), self.label(), self.label()
        self.outside = self.label()
        in_use = self.value(f"load ptr, ptr {self.field(layout.DATA_TLB)}")
        is_real = self.value(f"icmp eq ptr {in_use}, {self.field(layout.DATA_TLBS)}")
        self.line(f"br i1 {is_real}, label %{real}, label %{translated}\n{translated}:")
        known, ra = self._translated(missed)
        self.line(f"br label %{found}\n{real}:")
        masked = self.value(f"and i64 %ea, {REAL_MODE_BITS}")
        highest = self.value(f"sub i64 {self.read(layout.RAM_SIZE)}, %size")
        outside = self.fork(self.value(f"icmp ule i64 {masked}, {highest}"), likely=True)
        here = self.label()
        self.line(f"br label %{here}\n{outside}:\nbr label %{self.outside}")
        self.line(f"{here}:\nbr label %{found}\n{found}:")
        self.ra = self.value(f"phi i64 [{masked}, %{here}], [{ra}, %{known}]")
        self.host = self.value(f"add i64 {self.read(layout.RAM_BASE)}, {self.ra}")
        self.last = self.value(f"add i64 {self.ra}, {self.value('add i64 %size, -1')}")
        self.is_real = is_real
        self.is_plain = self._unless_watched(missed)

    def _unless_watched(self, missed: int) -> str:
        """Leave the access to the stepper if it is watched; tell whether no byte of its page is.

        Loads from pages with watched bytes come here every time, and stores to them.
        """
        kind = layout.WATCHED_STORES if missed == layout.MISSED_STORE else layout.WATCHED_LOADS
        entry, start, look, done = self.tlb_entry("%ea"), *(self.label() for _ in range(3))
        self.line(f"br label %{start}\n{start}:")
        watches = self.value(f"load ptr, ptr {self.field(layout.WATCHES)}")
        none = self.value(f"icmp eq ptr {watches}, null")
        self.line(f"br i1 {none}, label %{done}, label %{look}\n{look}:")
        parameters = f"ptr {watches}, i64 %ea, i64 {self.ra}, i64 %size, i64 {kind}"
        found = self.value(f"call {FILLER} @watched({parameters})")
        near, looked = self.label(), self.label()
        unwatched = self.value(f"icmp eq i64 {found}, {_NOT_WATCHED}")
        self.line(f"br i1 {unwatched}, label %{looked}, label %{near}\n{near}:")
        for tag in (0, 8):
            self.line(f"store i64 {NOBODY}, ptr {self.beside(entry, tag)}")
        hit = self.value(f"icmp eq i64 {found}, {_HIT}")
        self.line(f"br i1 {hit}, label %{self.outside}, label %{looked}\n{looked}:")
        self.line(f"br label %{done}\n{done}:")
        return self.value(f"phi i1 [true, %{start}], [{unwatched}, %{looked}]")

    def unless_plain(self) -> None:
        """Return the address, and fill nothing, if a byte of the page is watched."""
        watched, here = self.fork(self.is_plain), self.label()
        self.line(f"br label %{here}")
        self.line(f"{watched}:\nret i64 {self.host}\n{here}:")

    def _translated(self, missed: int) -> tuple[str, str]:
        """Return the real address that TLBs know, and the label.

        They do if a store to the page needs care, or in the second one.
        """
        page = self.value(f"and i64 %ea, {layout.PAGE_MASK}")
        last = self.value(f"add i64 %ea, {self.value('add i64 %size, -1')}")
        last = self.value(f"and i64 {last}, {layout.PAGE_MASK}")
        crossing = self.fork(self.value(f"icmp eq i64 {page}, {last}"), likely=True)
        entry, known = self.tlb_entry("%ea"), self.label()
        is_store = missed == layout.MISSED_STORE
        elsewhere = self.label()
        if is_store:
            tag = self.value(f"load i64, ptr {self.beside(entry, 24)}")
            hit = self.value(f"icmp eq i64 {tag}, {page}")
            self.line(f"br i1 {hit}, label %{known}, label %{elsewhere}\n{elsewhere}:")
        missing = self._look_further(page, entry, 8 if is_store else 0)
        self.line(f"br label %{known}\n{missing}:")
        self.write(layout.MISS, missed)
        self.write(layout.MISS + 8, "%ea")
        self.line(f"br label %{self.outside}\n{crossing}:\nbr label %{self.outside}\n{known}:")
        host = self.value(f"add i64 %ea, {self.value(f'load i64, ptr {self.beside(entry, 16)}')}")
        return known, self.value(f"sub i64 {host}, {self.read(layout.RAM_BASE)}")

    def _look_further(self, page: str, entry: str, tag: int) -> str:
        """Bring an entry from the second table; return the label for when it isn't there."""
        number = self.value(f"lshr i64 %ea, {PAGE_SHIFT}")
        index = self.value(f"and i64 {number}, {layout.SECOND * layout.TLB_ENTRIES - 1}")
        tlb = self.value(f"load i64, ptr {self.field(layout.DATA_TLB)}")
        first = self.value(f"ptrtoint ptr {self.field(layout.DATA_TLBS)} to i64")
        distance = self.value(f"mul i64 {self.value(f'sub i64 {tlb}, {first}')}, {layout.SECOND}")
        table = self.field(self.value(f"add i64 {distance}, {layout.SECOND_DATA}"))
        second = self.beside(table, self.value(f"shl i64 {index}, 5"))
        missing = self.fork(self.is_of(page, second, tag, stamp=24))
        for source, target in ((0, 0), (16, 16), (8, 24)):
            value = self.value(f"load i64, ptr {self.beside(second, source)}")
            self.line(f"store i64 {value}, ptr {self.beside(entry, target)}")
        self.line(f"store i64 {NOBODY}, ptr {self.beside(entry, 8)}")
        return missing

    def text(self, name: str) -> str:
        """Return the function's definition."""
        body = "\n".join(self.lines)
        return (
            f"define internal {FILLER} @{name}(ptr %cpu, i64 %ea, i64 %size) #1 {{\n{body}\n"
            f"ret i64 {self.host}\n{self.outside}:\nret i64 0\n}}\n"
        )

    def unless_in_one_page(self) -> None:
        """Return the address, and fill nothing, if the access crosses a page."""
        either = self.value(f"xor i64 {self.ra}, {self.last}")
        crossing, here = self.fork(self.value(f"icmp ult i64 {either}, {PAGE}")), self.label()
        self.line(f"br label %{here}")
        self.line(f"{crossing}:\nret i64 {self.host}\n{here}:")

    def mark(self, ra: str) -> str:
        """Return the marks of the line that an address is on."""
        marks = self.value(f"load ptr, ptr {self.field(layout.MARKS)}")
        line = self.value(f"lshr i64 {ra}, {LINE_SHIFT}")
        return self.value(f"load i8, ptr {self.beside(marks, line)}")

    def make_writable(self) -> None:
        """Have stores to a page without code go to RAM directly from now on.

        In real mode the entry is filled; with translation on it has all but that.
        """
        translated, done = self.fork(self.is_real), self.label()
        self.fill(writable=True)
        self.line(f"br label %{done}\n{translated}:")
        page = self.value(f"and i64 %ea, {layout.PAGE_MASK}")
        self.line(f"store i64 {page}, ptr {self.beside(self.tlb_entry('%ea'), 8)}")
        self.line(f"br label %{done}\n{done}:")

    def fill(self, *, writable: bool) -> None:
        """Fill the data TLB's entry."""
        page = self.value(f"and i64 %ea, {layout.PAGE_MASK}")
        entry = self.tlb_entry("%ea")
        write_tag = page
        if not writable:
            old = self.value(f"load i64, ptr {self.beside(entry, 8)}")
            same = self.value(f"icmp eq i64 {old}, {page}")
            write_tag = self.value(f"select i1 {same}, i64 {page}, i64 {NOBODY}")
        addend = self.value(f"sub i64 {self.host}, %ea")
        for offset, value in ((0, page), (8, write_tag), (16, addend)):
            self.line(f"store i64 {value}, ptr {self.beside(entry, offset)}")


def _fill_load() -> str:
    slow = Slow(layout.MISSED_LOAD)
    slow.unless_plain()
    translated, real = slow.fork(slow.is_real), slow.label()
    slow.line(f"br label %{real}\n{translated}:\nret i64 {slow.host}\n{real}:")
    slow.unless_in_one_page()
    slow.fill(writable=False)
    return slow.text("fill_load")


def _fill_store() -> str:
    """Have native code forget what it derived from the bytes to be stored to.

    Pages that hold such code get no write tag, so that all stores to them come here.
    """
    slow = Slow(layout.MISSED_STORE)
    marks = slow.value(f"or i8 {slow.mark(slow.ra)}, {slow.mark(slow.last)}")
    derived = slow.value(f"and i8 {marks}, {DERIVED}")
    clean = slow.fork(slow.value(f"icmp ne i8 {derived}, 0"))
    elsewhere = slow.value(f"and i8 {marks}, {ELSEWHERE}")
    mine, refuse = slow.label(), slow.label()
    slow.line(f"br i1 {slow.value(f'icmp eq i8 {elsewhere}, 0')}, label %{mine}, label %{refuse}")
    slow.line(f"{refuse}:")
    other = slow.fork(slow.value(f"icmp eq i8 {elsewhere}, {CODE_TABLE}"))
    slow.write(layout.MISS, layout.TABLE_STORE)
    slow.write(layout.MISS + 8, slow.ra)
    slow.line(f"ret i64 0\n{other}:\nret i64 0\n{mine}:")
    done = slow.value(f"call preserve_mostcc i1 @forget(ptr %cpu, i64 {slow.ra}, i64 {slow.last})")
    forgotten = slow.label()
    slow.line(f"br i1 {done}, label %{forgotten}, label %{refuse}")
    slow.line(f"{forgotten}:\nret i64 {slow.host}\n{clean}:")
    slow.unless_in_one_page()
    slow.unless_plain()
    number = slow.value(f"lshr i64 {slow.ra}, {PAGE_SHIFT}")
    base = slow.value(f"load ptr, ptr {slow.field(layout.MARKS)}")
    first = slow.beside(base, slow.value(f"mul i64 {number}, {layout.LINES}"))
    of_page = slow.value(f"load i{8 * layout.LINES}, ptr {first}, align 1")
    marked = slow.fork(slow.value(f"icmp eq i{8 * layout.LINES} {of_page}, 0"))
    slow.make_writable()
    slow.line(f"ret i64 {slow.host}\n{marked}:")
    return slow.text("fill_store")


def _watched() -> str:
    """Return the function that tells whether watches are for an access, or for its page."""
    text = LlvmText()
    head = "i64 %ea, i64 %ra, i64 %size, i64 %kind"
    start, loop, more, following = (text.label() for _ in range(4))
    text.line(f"br label %{start}\n{start}:\nbr label %{loop}\n{loop}:")
    text.line(f"%one = phi ptr [%watches, %{start}], [%next, %{following}]")
    text.line(f"%near = phi i64 [{_NOT_WATCHED}, %{start}], [%nearer, %{following}]")
    first, last, kinds = (
        text.value(f"load i64, ptr {text.beside('%one', 8 * number)}") for number in range(3)
    )
    ended, hit = text.label(), text.label()
    over = text.value(f"icmp eq i64 {kinds}, 0")
    text.line(f"br i1 {over}, label %{ended}, label %{more}\n{more}:")
    is_real = text.value(f"icmp ne i64 {text.value(f'and i64 {kinds}, {layout.WATCHED_REAL}')}, 0")
    address = text.value(f"select i1 {is_real}, i64 %ra, i64 %ea")
    end = text.value(f"add i64 {address}, {text.value('add i64 %size, -1')}")
    page = text.value(f"and i64 {address}, {layout.PAGE_MASK}")
    page_end = text.value(f"or i64 {end}, {PAGE - 1}")

    def overlaps(low: str, high: str) -> str:
        begins = text.value(f"icmp ule i64 {low}, {last}")
        return text.value(f"and i1 {begins}, {text.value(f'icmp uge i64 {high}, {first}')}")

    heeded = text.value(f"icmp ne i64 {text.value(f'and i64 {kinds}, %kind')}, 0")
    is_hit = text.value(f"and i1 {overlaps(address, end)}, {heeded}")
    text.line(f"br i1 {is_hit}, label %{hit}, label %{following}\n{following}:")
    is_near = overlaps(page, page_end)
    text.line(f"%nearer = select i1 {is_near}, i64 {_NEAR}, i64 %near")
    text.line(f"%next = getelementptr i8, ptr %one, i64 {layout.WATCH.size}\nbr label %{loop}")
    text.line(f"{hit}:\nret i64 {_HIT}\n{ended}:\nret i64 %near")
    body = "\n".join(text.lines)
    return f"define internal {FILLER} @watched(ptr %watches, {head}) #1 {{\n{body}\n}}\n"


def _forget() -> str:
    """Return the function that makes op records of bytes to be stored to undecoded ones.

    It refuses across pages. A planted op record stays: the handler it replaces changes.
    """
    text = LlvmText()
    either = text.value("xor i64 %first, %last")
    crossing = text.fork(text.value(f"icmp ult i64 {either}, {PAGE}"))
    number = text.value(f"lshr i64 %first, {PAGE_SHIFT}")
    table = text.value(f"load ptr, ptr {text.shared(layout.OP_PAGES)}")
    row = text.beside(table, text.value(f"mul i64 {number}, {8 * layout.MODES}"))
    within, end = (text.value(f"and i64 {v}, {PAGE - 4}") for v in ("%first", "%last"))
    for mode in range(layout.MODES):
        records = text.value(f"load ptr, ptr {text.beside(row, 8 * mode)}")
        none = text.fork(text.value(f"icmp ne ptr {records}, null"))
        before, loop, after = text.label(), text.label(), text.label()
        text.line(f"br label %{before}\n{before}:\nbr label %{loop}\n{loop}:")
        word = f"%word{mode}"
        text.line(f"{word} = phi i64 [{within}, %{before}], [%next{mode}, %{loop}]")
        record = text.beside(records, text.value(f"shl i64 {word}, {layout.RECORD_SHIFT}"))
        text.line(f"store ptr @decode_me, ptr {record}")
        if mode >= layout.BREAKING:
            text.line(f"store ptr null, ptr {text.beside(record, layout.BELOW)}")
        text.line(f"%next{mode} = add i64 {word}, 4")
        more = text.value(f"icmp ule i64 %next{mode}, {end}")
        text.line(f"br i1 {more}, label %{loop}, label %{after}")
        text.line(f"{after}:\nbr label %{none}\n{none}:")
    planted = text.value(f"load ptr, ptr {text.field(layout.PLANTED)}")
    nothing = text.fork(text.value(f"icmp ne ptr {planted}, null"))
    handler = text.value(f"load ptr, ptr {planted}")
    kept = text.fork(text.value(f"icmp eq ptr {handler}, @decode_me"))
    text.line(f"store ptr @decode_me, ptr {text.field(layout.PLANTED + 8)}")
    text.line(f"store ptr @budget_end, ptr {planted}")
    text.line(f"br label %{kept}\n{kept}:\nbr label %{nothing}\n{nothing}:")
    text.line(f"ret i1 1\n{crossing}:\nret i1 0")
    body = "\n".join(text.lines)
    head = "define internal preserve_mostcc i1 @forget(ptr %cpu, i64 %first, i64 %last) #1"
    return f"{head} {{\n{body}\n}}\n"
