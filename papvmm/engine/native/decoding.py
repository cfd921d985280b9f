"""LLVM text of the decoder: it makes op records, and op pages, when execution comes to them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from papvmm.engine.code_marks import CODE_NATIVE, CODE_NATIVE_NEXT
from papvmm.engine.native import choices, layout
from papvmm.engine.native.lower import CONVENTION, FINDER, PARAMETERS, LlvmText
from papvmm.memory.guest_memory import CODE_LINE, PAGE

LINE_SHIFT: Final = CODE_LINE.bit_length() - 1
NOBODY: Final = (1 << 64) - 1
"""A TLB tag that no address has."""
DECODE_ME: Final = (
    f"define internal {CONVENTION} @decode_me{PARAMETERS} #0 {{\n"
    f"%handler = call {FINDER} @decode(ptr %cpu, ptr %ip)\n"
    f"musttail call {CONVENTION} %handler(ptr %cpu, ptr %ip, i64 %limit)\nret void\n}}\n"
)


class Row(NamedTuple):
    """What executes an instruction: the names of its handlers and of its filler.

    ``far`` and ``near`` are for big-endian and little-endian mode each; ``near`` ones are for
    branches within a page. Other ``versions`` of the Power ISA than these have another meaning
    for it, or none.
    """

    far: tuple[str, str]
    near: tuple[str, str]
    filler: str
    versions: int


ROW_SIZE: Final = 4 * 6
"""Distances of functions from the table of handlings, 32 bits each: far, near, filler; versions."""


def decoder(handlings: Sequence[Row], found: choices.Tables) -> str:
    """Return the text of the decoder with its tables; handling 0 is what is no instruction."""
    constants = (_constant(name, content) for name, content in found._asdict().items())
    functions = (_decode(), _mark(), _new_page())
    return "\n".join((*constants, _handlings(handlings), DECODE_ME, *functions))


def _constant(name: str, content: bytes) -> str:
    text = "".join(f"\\{byte:02x}" for byte in content)
    return f'@{name} = internal constant [{len(content)} x i8] c"{text}", align 8'


def _handlings(rows: Iterable[Row]) -> str:
    here = "i64 ptrtoint (ptr @handlings to i64)"
    fields = []
    for row in rows:
        for name in (*row.far, *row.near, row.filler):
            distance = f"i64 sub (i64 ptrtoint (ptr @{name} to i64), {here})"
            fields.append(f"i32 trunc ({distance} to i32)")
        fields.append(f"i32 {row.versions}")
    kind = f"[{len(fields)} x i32]"
    return f"@handlings = internal constant {kind} [{', '.join(fields)}], align 8"


class _Decoder(LlvmText):
    """The function that makes an op record under construction."""

    def load(self, kind: str, address: str) -> str:
        """Load an integer and make it one of 64 bits."""
        value = self.value(f"load {kind}, ptr {address}")
        return value if kind == "i64" else self.value(f"zext {kind} {value} to i64")

    def unless(self, condition: str) -> str:
        """Do what follows only if a condition holds; return the label to go on at."""
        here, done = self.label(), self.label()
        self.line(f"br i1 {condition}, label %{here}, label %{done}\n{here}:")
        return done

    def join(self, done: str) -> None:
        """End what is done only sometimes."""
        self.line(f"br label %{done}\n{done}:")

    def mark(self, ra: str) -> str:
        """Return the address of the mark of the line that an address is on."""
        marks = self.value(f"load ptr, ptr {self.field(layout.MARKS)}")
        return self.beside(marks, self.value(f"lshr i64 {ra}, {LINE_SHIFT}"))

    def finish(self, ra: str, mode: str, handler: str) -> None:
        """Put a handler into the op record, or below what is entered there before it."""
        usual, listed, below = self.label(), self.label(), self.beside("%ip", layout.BELOW)
        breaking = self.value(f"icmp uge i64 {mode}, {layout.BREAKING}")
        breaks = self.label()
        self.line(f"br i1 {breaking}, label %{breaks}, label %{usual}\n{breaks}:")
        first = self.value(f"load ptr, ptr {self.shared(layout.PLACES)}")
        self.unless_listed(first, listed, lambda place: self._is_in_same_place(place, ra))
        self.line(f"store ptr null, ptr {below}")
        self.line(f"store ptr {handler}, ptr %ip\nret ptr {handler}\n{listed}:")
        self.line(f"store ptr {handler}, ptr {below}")
        self.line(f"store ptr @breakpoint, ptr %ip\nret ptr @breakpoint\n{usual}:")
        undecoded = self.value(f"icmp eq ptr {self.value('load ptr, ptr %ip')}, @decode_me")
        offset = self.value(f"select i1 {undecoded}, i64 0, i64 {layout.BELOW}")
        self.line(f"store ptr {handler}, ptr {self.beside('%ip', offset)}\nret ptr {handler}")

    def _is_in_same_place(self, place: str, ra: str) -> str:
        """Tell whether an effective address may lead to a real one."""
        within = self.value(f"and i64 {self.value(f'xor i64 {place}, {ra}')}, {PAGE - 1}")
        return self.value(f"icmp eq i64 {within}, 0")

    def word(self, ra: str, mode: str) -> str:
        """Return the instruction word at an address."""
        ram = self.value(f"load ptr, ptr {self.field(layout.RAM_BASE)}")
        little = self.value(f"load i32, ptr {self.beside(ram, ra)}, align 1")
        big = self.value(f"call i32 @llvm.bswap.i32(i32 {little})")
        is_little = self.value(f"trunc i64 {mode} to i1")
        word = self.value(f"select i1 {is_little}, i32 {little}, i32 {big}")
        return self.value(f"zext i32 {word} to i64")

    def handling(self, word: str, mode: str) -> str:
        """Return the address of the row for an instruction word."""
        primary = self.value(f"lshr i64 {word}, {choices.OPCODE_SHIFT}")
        opcode = self._element("opcodes", primary, choices.OPCODE.size)
        bits = self.value(f"and i64 {word}, {self.load('i32', self.beside(opcode, 4))}")
        choice = self.value(f"add i64 {self.load('i32', opcode)}, {bits}")
        number = self.load("i16", self._element("choices", choice, choices.CHOICE.size))
        node = self._element("nodes", number, choices.NODE.size)
        moved = self.value(f"lshr i64 {word}, {self.load('i16', self.beside(node, 4))}")
        within = self.value(f"and i64 {moved}, {self.load('i16', self.beside(node, 6))}")
        place = self.value(f"add i64 {self.load('i32', node)}, {within}")
        problem = self.value(f"and i64 {mode}, 2")
        handled = self._element("handled", place, choices.HANDLED.size)
        row = self._element("handlings", self.load("i16", self.beside(handled, problem)), ROW_SIZE)
        versions = self.load("i32", self.beside(row, ROW_SIZE - 4))
        mine = self.load("i64", self.shared(layout.ISA))
        has = self.value(f"icmp ne i64 {self.value(f'and i64 {versions}, {mine}')}, 0")
        return self.value(f"select i1 {has}, ptr {row}, ptr @handlings")

    def function(self, address: str) -> str:
        """Return the function whose distance is at an address in a row."""
        distance = self.value(f"load i32, ptr {address}")
        return self.beside("@handlings", self.value(f"sext i32 {distance} to i64"))

    def _element(self, table: str, number: str, size: int) -> str:
        return self.beside(f"@{table}", self.value(f"mul i64 {number}, {size}"))


def _decode() -> str:
    """Return the function that makes an op record, and returns the handler for it.

    Where a region is entered, the handler goes below it; where there may be a breakpoint, below
    what looks out for that.
    """
    text = _Decoder()
    number = text.value("ptrtoint ptr %ip to i64")
    within = text.value(f"and i64 {number}, {layout.RECORDS_SIZE - 1}")
    home = text.beside("%ip", text.value(f"sub i64 {layout.HOME}, {within}"))
    page = text.value(f"and i64 {text.load('i64', home)}, {layout.PAGE_MASK}")
    mode = text.load("i64", text.beside(home, 8))
    ra = text.value(f"or i64 {page}, {text.value(f'lshr i64 {within}, {layout.RECORD_SHIFT}')}")
    mark = text.load("i8", text.mark(ra))
    marked = text.unless(
        text.value(f"icmp eq i64 {text.value(f'and i64 {mark}, {CODE_NATIVE}')}, 0")
    )
    text.line(f"call preserve_mostcc void @mark(ptr %cpu, i64 {ra})")
    text.join(marked)
    word = text.word(ra, mode)
    row = text.handling(word, mode)
    order = text.value(f"shl i64 {text.value(f'and i64 {mode}, 1')}, 2")
    far = text.function(text.beside(row, order))
    near = text.function(text.beside(text.beside(row, order), 8))
    filler = text.function(text.beside(row, 16))
    heat = text.value(f"shl i64 {word}, 32")
    text.line(f"store i64 {heat}, ptr {text.beside('%ip', layout.HEAT)}")
    filled = text.value(f"call {FINDER} {filler}(ptr %ip, i64 {word}, ptr {far}, ptr {near})")
    text.finish(ra, mode, filled)
    body = "\n".join(text.lines)
    return f"define internal {FINDER} @decode(ptr %cpu, ptr %ip) #1 {{\n{body}\n}}\n"


def _mark() -> str:
    """Return the function that marks a line which an op record is derived from.

    Stores to its page have to be noticed from now on, so no TLB may say that they go to RAM
    directly: this vcpu's forgets that now, others before they run.
    """
    text = _Decoder()
    page = text.value(f"and i64 %ra, {layout.PAGE_MASK}")
    before = text.value(f"load i{8 * layout.LINES}, ptr {text.mark(page)}, align 1")
    for mark, beside in ((CODE_NATIVE, 0), (CODE_NATIVE_NEXT, CODE_LINE)):
        exists = text.unless(text.value(f"icmp uge i64 %ra, {beside}"))
        line = text.mark(text.value(f"sub i64 %ra, {beside}"))
        marks = text.value(f"or i8 {text.value(f'load i8, ptr {line}')}, {mark}")
        text.line(f"store i8 {marks}, ptr {line}")
        text.join(exists)
    known = text.unless(text.value(f"icmp eq i{8 * layout.LINES} {before}, 0"))
    generation = text.shared(layout.GENERATION)
    following = text.value(f"add i64 {text.load('i64', generation)}, 1")
    text.line(f"store i64 {following}, ptr {generation}")
    text.write(layout.SEEN, following)
    start, loop, done = text.label(), text.label(), text.label()
    text.line(f"br label %{start}\n{start}:\nbr label %{loop}\n{loop}:")
    text.line(f"%entry = phi i64 [0, %{start}], [%next, %{loop}]")
    tag = text.field(text.value(f"add i64 %entry, {layout.DATA_TLBS + 8}"))
    text.line(f"store i64 {NOBODY}, ptr {tag}\n%next = add i64 %entry, 32")
    last = text.value(f"icmp eq i64 %next, {layout.TLBS_FOR_DATA * layout.DATA_TLB_SIZE}")
    text.line(f"br i1 {last}, label %{done}, label %{loop}\n{done}:")
    text.join(known)
    body = "\n".join(text.lines)
    head = "define internal preserve_mostcc void @mark(ptr %cpu, i64 %ra) #1"
    return f"{head} {{\n{body}\nret void\n}}\n"


def _new_page() -> str:
    """Return the function that makes an op page for a page of RAM: null if there is no place."""
    text = _Decoder()
    fresh = text.beside("%shared", layout.FRESH)
    records = text.value(f"load ptr, ptr {fresh}")
    end = text.value(f"load ptr, ptr {text.beside('%shared', layout.FRESH_END)}")
    none, here, loop, done = text.label(), text.label(), text.label(), text.label()
    text.line(f"br i1 {text.value(f'icmp ne ptr {records}, {end}')}, label %{here}, label %{none}")
    text.line(f"{here}:")
    text.line(f"store ptr {text.beside(records, layout.STRIDE)}, ptr {fresh}")
    text.line(f"br label %{loop}\n{loop}:")
    text.line(f"%record = phi i64 [0, %{here}], [%next, %{loop}]")
    text.line(f"store ptr @decode_me, ptr {text.beside(records, '%record')}")
    text.line(f"%next = add i64 %record, {layout.UNIT}")
    last = text.value(f"icmp eq i64 %next, {layout.RECORDS_SIZE}")
    text.line(f"br i1 {last}, label %{done}, label %{loop}\n{done}:")
    text.line(f"store ptr @next_page, ptr {text.beside(records, layout.RECORDS_SIZE)}")
    breaking = text.value(f"lshr i64 %mode, {layout.BREAKING.bit_length() - 1}")
    home = text.value(f"or i64 %page, {breaking}")
    text.line(f"store i64 {home}, ptr {text.beside(records, layout.HOME)}")
    text.line(f"store i64 %mode, ptr {text.beside(records, layout.HOME + 8)}")
    table = text.value(f"load ptr, ptr {text.beside('%shared', layout.OP_PAGES)}")
    number = text.value(f"lshr i64 %page, {PAGE.bit_length() - 1}")
    row = text.value(f"mul i64 {number}, {layout.MODES}")
    offset = text.value(f"shl i64 {text.value(f'add i64 {row}, %mode')}, 3")
    text.line(f"store ptr {records}, ptr {text.beside(table, offset)}\nret ptr {records}")
    body = "\n".join(text.lines)
    head = f"define internal {FINDER} @new_page(ptr %shared, i64 %page, i64 %mode) #1"
    return f"{head} {{\n{body}\n{none}:\nret ptr null\n}}\n"
