"""LLVM text that is not an instruction: entering guest code, finding op records, TLB misses."""

from typing import Final

from papvmm.engine.code_marks import CODE_NATIVE, DERIVED
from papvmm.engine.native import layout
from papvmm.engine.native.decoding import LINE_SHIFT, NOBODY
from papvmm.engine.native.handlers import Handler
from papvmm.engine.native.inner import Inner
from papvmm.engine.native.lower import (
    CONVENTION,
    FILLER,
    FINDER,
    LlvmText,
    tail_call,
)
from papvmm.engine.stops import Stop
from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_DR, MSR_EE, MSR_FE, MSR_IR, MSR_LE, MSR_PR, MSR_SF, TRACING
from papvmm.isa.softfloat.fpscr import FEX
from papvmm.isa.state import CIA, FPSCR, MSR
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.translate import REAL_MODE_BITS

FUNCTIONS: Final = (
    "enter", "lookup", "interpret", "context", "approach", "decode", "decode_me", "new_page",
    "next_page", "budget_end", "breakpoint", "odd", "missing", "fill_load", "fill_store",
)  # fmt: skip
PAGE_SHIFT: Final = PAGE.bit_length() - 1
ELSEWHERE: Final = DERIVED & ~CODE_NATIVE
"""Marks of a line whose code native stores can't forget."""


class Fragment(Handler):
    """A function written by hand with the handlers' vocabulary."""

    def find(self) -> str:
        """Look CIA up in the fetch TLB, then in the op pages; return the op record."""
        cia, mode = self.read(CIA.offset), self.read(layout.MODE)
        page = self.value(f"and i64 {cia}, {layout.PAGE_MASK}")
        key = self.value(f"or i64 {page}, {mode}")
        number = self.value(f"lshr i64 {cia}, {PAGE_SHIFT}")
        mixed = self.value(f"xor i64 {number}, {self.value(f'shl i64 {mode}, 6')}")
        index = self.value(f"and i64 {mixed}, {layout.TLB_ENTRIES - 1}")
        scaled = self.value(f"shl i64 {index}, 4")
        entry = self.field(self.value(f"add i64 {scaled}, {layout.FETCH_TLB}"))
        tag = self.value(f"load i64, ptr {entry}")
        hit, join = self.label(), self.label()
        miss = self.fork(self.value(f"icmp eq i64 {tag}, {key}"), likely=True)
        self.line(f"br label %{hit}\n{hit}:")
        known = self.value(f"load ptr, ptr {self.beside(entry, 8)}")
        self.line(f"br label %{join}\n{miss}:")
        records, there = self._op_page(cia, number, mode)
        self.line(f"store i64 {key}, ptr {entry}")
        self.line(f"store ptr {records}, ptr {self.beside(entry, 8)}")
        self.line(f"br label %{join}\n{join}:")
        found = self.value(f"phi ptr [{known}, %{hit}], [{records}, %{there}]")
        self.write(layout.PAGE_EA, page)
        within = self.value(f"and i64 {cia}, {PAGE - 1}")
        return self.beside(found, self.value(f"shl i64 {within}, {layout.RECORD_SHIFT}"))

    def _op_page(self, cia: str, number: str, mode: str) -> tuple[str, str]:
        """Return the op page for an address, and the label from which it is; or stop."""
        outside = self.fork(self.value(f"icmp ult i64 {cia}, {self.read(layout.RAM_SIZE)}"))
        first = self.value(f"mul i64 {number}, {layout.MODES}")
        offset = self.value(f"shl i64 {self.value(f'add i64 {first}, {mode}')}, 3")
        table = self.value(f"load ptr, ptr {self.shared(layout.OP_PAGES)}")
        known = self.value(f"load ptr, ptr {self.beside(table, offset)}")
        looked, new, none, there = (self.label() for _ in range(4))
        self.line(f"br label %{looked}\n{looked}:")
        exists = self.value(f"icmp ne ptr {known}, null")
        self.line(f"br i1 {exists}, label %{there}, label %{new}\n{new}:")
        page = self.value(f"and i64 {cia}, {layout.PAGE_MASK}")
        shared = self.shared(layout.GENERATION)
        made = self.value(f"call {FINDER} @new_page(ptr {shared}, i64 {page}, i64 {mode})")
        full = self.value(f"icmp eq ptr {made}, null")
        self.line(f"br i1 {full}, label %{none}, label %{there}")
        self.line(f"{outside}:\nbr label %{none}\n{none}:")
        self.write(layout.LEFT, "%limit")
        self.write(layout.STOP, int(Inner.TRANSLATE))
        self.line(f"ret void\n{there}:")
        records = self.value(f"phi ptr [{known}, %{looked}], [{made}, %{new}]")
        return records, there

    def next_page(self) -> str:
        """Return the address of the page after this one."""
        return self.value(f"add i64 {self.read(layout.PAGE_EA)}, {PAGE}")

    def go(self, record: str, limit: str) -> None:
        """Pass control to the handler of an op record."""
        self.line(tail_call(self.value(f"load ptr, ptr {record}"), record, limit))

    def uproot(self) -> None:
        """Give the op record that stops its handler back, if there is one."""
        planted = self.value(f"load ptr, ptr {self.field(layout.PLANTED)}")
        done = self.fork(self.value(f"icmp ne ptr {planted}, null"))
        handler = self.value(f"load ptr, ptr {self.field(layout.PLANTED + 8)}")
        self.line(f"store ptr {handler}, ptr {planted}")
        self.line(f"store ptr null, ptr {self.field(layout.PLANTED)}")
        self.line(f"br label %{done}\n{done}:")

    def plant(self) -> None:
        """Make the op record at the limit stop, if straight-line code can reach it."""
        left = self.left()
        number = self.value("ptrtoint ptr %ip to i64")
        within = self.value(f"and i64 {number}, {layout.RECORDS_SIZE - 1}")
        end = self.value(f"add i64 {within}, {left}")
        done = self.fork(self.value(f"icmp ult i64 {end}, {layout.RECORDS_SIZE}"))
        limit = self.value("inttoptr i64 %limit to ptr")
        handler = self.value(f"load ptr, ptr {limit}")
        self.line(f"store ptr {handler}, ptr {self.field(layout.PLANTED + 8)}")
        self.line(f"store ptr {limit}, ptr {self.field(layout.PLANTED)}")
        self.line(f"store ptr @budget_end, ptr {limit}")
        self.line(f"br label %{done}\n{done}:")


def dispatch() -> str:
    """Return the text of what is in ``FUNCTIONS``."""
    named = {
        "lookup": _lookup(),
        "interpret": _interpret(),
        "context": _context(),
        "approach": _approach(),
        "next_page": _next_page(),
    }
    stops = {
        "budget_end": Stop.BUDGET,
        "breakpoint": Stop.BREAKPOINT,
        "odd": Stop.ODD,
        "missing": Inner.MISSING,
    }
    for name, reason in stops.items():
        named[name] = Fragment()
        named[name].stop_before(reason)
    texts = [part.text(name) for name, part in named.items()]
    return "\n".join((_enter(), *texts, _fill_load(), _forget(), _fill_store()))


def _enter() -> str:
    """Go on at CIA, the engine having been at work: TLBs may be out of date."""
    text = LlvmText()
    generation = text.value(f"load i64, ptr {text.shared(layout.GENERATION)}")
    old, start, loop, done = (text.label() for _ in range(4))
    same = text.value(f"icmp eq i64 {text.read(layout.SEEN)}, {generation}")
    text.line(f"br i1 {same}, label %{done}, label %{old}\n{old}:")
    text.write(layout.SEEN, generation)
    text.line(f"br label %{start}\n{start}:\nbr label %{loop}\n{loop}:")
    text.line(f"%number = phi i64 [0, %{start}], [%next, %{loop}]")
    for tlb, shift, tags in ((layout.FETCH_TLB, 4, 1), (layout.DATA_TLB, 5, 2)):
        entry = text.value(f"shl i64 %number, {shift}")
        for tag in range(tags):
            offset = text.value(f"add i64 {entry}, {tlb + 8 * tag}")
            text.write(offset, NOBODY)
    text.line("%next = add i64 %number, 1")
    last = text.value(f"icmp eq i64 %next, {layout.TLB_ENTRIES}")
    text.line(f"br i1 {last}, label %{done}, label %{loop}\n{done}:")
    left = text.read(layout.LEFT)
    text.line(f"call {CONVENTION} @lookup(ptr %cpu, ptr null, i64 {left})\nret void")
    body = "\n".join(text.lines)
    return f"define void @enter(ptr %cpu) #0 {{\n{body}\n}}\n"


def _lookup() -> Fragment:
    """Go on at CIA; here ``limit`` is what is left of the budget."""
    lookup = Fragment()
    record = lookup.find()
    number = lookup.value(f"ptrtoint ptr {record} to i64")
    limit = lookup.value(f"add i64 {number}, %limit")
    heat = lookup.beside(record, layout.HEAT)
    warmer = lookup.value(f"add i32 {lookup.value(f'load i32, ptr {heat}')}, 1")
    lookup.line(f"store i32 {warmer}, ptr {heat}")
    short = lookup.poll("%limit")
    lookup.go(record, limit)
    lookup.line(f"{short}:")
    lookup.line(tail_call("@approach", record, limit))
    return lookup


def _interpret() -> Fragment:
    """Go on at CIA, with the instruction's own handler if there is a region.

    Here ``limit`` is what is left of the budget.
    """
    interpret = Fragment()
    record = interpret.find()
    number = interpret.value(f"ptrtoint ptr {record} to i64")
    limit = interpret.value(f"add i64 {number}, %limit")
    short = interpret.poll("%limit")
    below = interpret.value(f"load ptr, ptr {interpret.beside(record, layout.BELOW)}")
    region = interpret.fork(interpret.value(f"icmp eq ptr {below}, null"))
    interpret.go(record, limit)
    interpret.line(f"{region}:")
    interpret.line(tail_call(below, record, limit))
    interpret.line(f"{short}:")
    interpret.line(tail_call("@approach", record, limit))
    return interpret


def _context() -> Fragment:
    """Go on at CIA, the MSR having changed; stop if that asks for more than another mode.

    Here ``limit`` is what is left of the budget.
    """
    context = Fragment()
    msr = context.read(MSR.offset)
    usual = MSR_SF | MSR_IR | MSR_DR | TRACING
    excepting = context.value(f"and i64 {context.read(FPSCR.offset)}, {FEX}")
    calm = context.value(f"icmp eq i64 {excepting}, 0")
    looked_at = context.value(f"select i1 {calm}, i64 {usual}, i64 {usual | MSR_FE}")
    unusual = context.value(f"and i64 {msr}, {looked_at}")
    stop = context.label()
    elsewhere = context.fork(context.value(f"icmp eq i64 {unusual}, {MSR_SF}"))
    enabled = context.value(f"and i64 {msr}, {MSR_EE}")
    admitted = context.value(f"icmp eq i64 {enabled}, 0")
    bounded = context.value(f"icmp ne i64 {context.read(layout.ADMITS)}, 0")
    early = context.fork(context.value(f"or i1 {admitted}, {bounded}"))
    order = context.value(f"and i64 {msr}, {MSR_LE}")
    problem = context.value(f"lshr i64 {msr}, {MSR_PR.bit_length() - 2}")
    problem = context.value(f"and i64 {problem}, 2")
    context.write(layout.MODE, context.value(f"or i64 {order}, {problem}"))
    context.line(tail_call("@lookup", "%ip"))
    context.line(f"{elsewhere}:\nbr label %{stop}\n{early}:\nbr label %{stop}\n{stop}:")
    context.write(layout.LEFT, "%limit")
    context.write(layout.STOP, int(Exit.CONTEXT))
    context.line("ret void")
    return context


def _approach() -> Fragment:
    """Go on where the budget may end before the next branch; stop if there was a kick."""
    approach = Fragment()
    usual = approach.value(f"icmp eq i64 {approach.read(layout.FLOOR)}, {layout.STRETCH}")
    kicked = approach.fork(usual, likely=True)
    ended = approach.fork(approach.value(f"icmp ne i64 {approach.left()}, 0"))
    approach.uproot()
    approach.plant()
    approach.go("%ip", "%limit")
    approach.line(f"{ended}:")
    approach.stop_before(Stop.BUDGET)
    approach.line(f"{kicked}:")
    approach.stop_before(Stop.KICK)
    return approach


def _next_page() -> Fragment:
    """Go on in the page that follows, from the record after a page's last."""
    fragment = Fragment()
    fragment.write(CIA.offset, fragment.next_page())
    fragment.line(tail_call("@lookup", "%ip", fragment.left()))
    return fragment


class Slow(LlvmText):
    """A slow path of data accesses in real mode: ``ea`` and ``size`` are its parameters.

    It returns the host address, or 0 if the access has to be left to the stepper.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ra = self.value(f"and i64 %ea, {REAL_MODE_BITS}")
        ram_size = self.read(layout.RAM_SIZE)
        highest = self.value(f"sub i64 {ram_size}, %size")
        self.outside = self.fork(self.value(f"icmp ule i64 {self.ra}, {highest}"), likely=True)
        base = self.read(layout.RAM_BASE)
        self.host = self.value(f"add i64 {base}, {self.ra}")
        self.last = self.value(f"add i64 {self.ra}, {self.value('add i64 %size, -1')}")

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
    slow = Slow()
    slow.unless_in_one_page()
    slow.fill(writable=False)
    return slow.text("fill_load")


def _fill_store() -> str:
    """Have native code forget what it derived from the bytes to be stored to.

    Pages that hold such code get no write tag, so that all stores to them come here.
    """
    slow = Slow()
    marks = slow.value(f"or i8 {slow.mark(slow.ra)}, {slow.mark(slow.last)}")
    derived = slow.value(f"and i8 {marks}, {DERIVED}")
    clean = slow.fork(slow.value(f"icmp ne i8 {derived}, 0"))
    elsewhere = slow.value(f"and i8 {marks}, {ELSEWHERE}")
    mine, refuse = slow.label(), slow.label()
    slow.line(f"br i1 {slow.value(f'icmp eq i8 {elsewhere}, 0')}, label %{mine}, label %{refuse}")
    slow.line(f"{refuse}:\nret i64 0\n{mine}:")
    done = slow.value(f"call preserve_mostcc i1 @forget(ptr %cpu, i64 {slow.ra}, i64 {slow.last})")
    forgotten = slow.label()
    slow.line(f"br i1 {done}, label %{forgotten}, label %{refuse}")
    slow.line(f"{forgotten}:\nret i64 {slow.host}\n{clean}:")
    slow.unless_in_one_page()
    number = slow.value(f"lshr i64 {slow.ra}, {PAGE_SHIFT}")
    base = slow.value(f"load ptr, ptr {slow.field(layout.MARKS)}")
    first = slow.beside(base, slow.value(f"mul i64 {number}, {layout.LINES}"))
    of_page = slow.value(f"load i{8 * layout.LINES}, ptr {first}, align 1")
    marked = slow.fork(slow.value(f"icmp eq i{8 * layout.LINES} {of_page}, 0"))
    slow.fill(writable=True)
    slow.line(f"ret i64 {slow.host}\n{marked}:")
    return slow.text("fill_store")


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
