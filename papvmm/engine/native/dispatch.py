"""LLVM text that is not an instruction: entering guest code, finding op records, TLB misses."""

from typing import Final

from papvmm.engine.native import layout
from papvmm.engine.native.decoding import NOBODY
from papvmm.engine.native.handlers import Handler
from papvmm.engine.native.inner import Inner
from papvmm.engine.native.lower import (
    CONVENTION,
    FILLER,
    FINDER,
    LlvmText,
    tail_call,
)
from papvmm.engine.native.slow import slow_paths
from papvmm.engine.stops import Stop
from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_EE, MSR_FE, MSR_LE, MSR_PR, MSR_SF, TRACING
from papvmm.isa.softfloat.fpscr import FEX
from papvmm.isa.state import CIA, FPSCR, MSR, NOW
from papvmm.memory.guest_memory import PAGE

FUNCTIONS: Final = (
    "enter", "lookup", "interpret", "context", "approach", "decode", "decode_me", "new_page",
    "next_page", "budget_end", "breakpoint", "odd", "missing", "fill_load", "fill_store",
    "mode_at",
)  # fmt: skip
PAGE_SHIFT: Final = PAGE.bit_length() - 1


class Fragment(Handler):
    """A function written by hand with the handlers' vocabulary."""

    def find(self) -> str:
        """Look CIA up in the fetch TLB, then in the op pages; return the op record."""
        cia, within_page = self.read(CIA.offset), self.read(layout.FETCH_KEY)
        page = self.value(f"and i64 {cia}, {layout.PAGE_MASK}")
        key = self.value(f"or i64 {page}, {within_page}")
        number = self.value(f"lshr i64 {cia}, {PAGE_SHIFT}")
        mixed = self.mixed(number, within_page)
        entry = self.fetch_entry(mixed)
        tag = self.value(f"load i64, ptr {entry}")
        hit, join = self.label(), self.label()
        miss = self.fork(self.value(f"icmp eq i64 {tag}, {key}"), likely=True)
        self.line(f"br label %{hit}\n{hit}:")
        known = self.value(f"load ptr, ptr {self.beside(entry, 8)}")
        self.line(f"br label %{join}\n{miss}:")
        second = self._second(mixed)
        records, there = self._op_page(cia, number, second, key)
        self.line(f"store i64 {key}, ptr {entry}")
        self.line(f"store ptr {records}, ptr {self.beside(entry, 8)}")
        self.line(f"br label %{join}\n{join}:")
        found = self.value(f"phi ptr [{known}, %{hit}], [{records}, %{there}]")
        self.write(layout.PAGE_EA, page)
        within = self.value(f"and i64 {cia}, {PAGE - 1}")
        return self.beside(found, self.value(f"shl i64 {within}, {layout.RECORD_SHIFT}"))

    def _second(self, mixed: str) -> str:
        """Return the address of the entry in the second table."""
        index = self.value(f"and i64 {mixed}, {layout.SECOND * layout.TLB_ENTRIES - 1}")
        offset = self.value(f"shl i64 {index}, 5")
        return self.field(self.value(f"add i64 {offset}, {layout.SECOND_FETCH}"))

    def _op_page(self, cia: str, number: str, second: str, key: str) -> tuple[str, str]:
        """Return the op page for an address, and the label from which it is; or stop.

        It is that of the real address, or what is in an entry of the second table.
        """
        mode = self.read(layout.MODE)
        in_ram = self.value(f"icmp ult i64 {cia}, {self.read(layout.RAM_SIZE)}")
        is_real = self.value(f"icmp ult i64 {mode}, {layout.REAL_MODES}")
        outside = self.fork(self.value(f"and i1 {in_ram}, {is_real}"))
        page = self.value(f"and i64 {cia}, {layout.PAGE_MASK}")
        mode = self.value(f"call {FILLER} @mode_at(ptr %cpu, i64 {page}, i64 {mode})")
        first = self.value(f"mul i64 {number}, {layout.MODES}")
        offset = self.value(f"shl i64 {self.value(f'add i64 {first}, {mode}')}, 3")
        table = self.value(f"load ptr, ptr {self.shared(layout.OP_PAGES)}")
        known = self.value(f"load ptr, ptr {self.beside(table, offset)}")
        looked, new, none, there, kept = (self.label() for _ in range(5))
        self.line(f"br label %{looked}\n{looked}:")
        exists = self.value(f"icmp ne ptr {known}, null")
        self.line(f"br i1 {exists}, label %{there}, label %{new}\n{new}:")
        shared = self.shared(layout.GENERATION)
        made = self.value(f"call {FINDER} @new_page(ptr {shared}, i64 {page}, i64 {mode})")
        full = self.value(f"icmp eq ptr {made}, null")
        self.line(f"br i1 {full}, label %{none}, label %{there}")
        self.line(f"{outside}:")
        found = self.is_of(key, second, tag=0, stamp=16)
        self.line(f"br i1 {found}, label %{kept}, label %{none}\n{kept}:")
        second_records = self.value(f"load ptr, ptr {self.beside(second, 8)}")
        self.line(f"br label %{there}\n{none}:")
        self.write(layout.LEFT, "%limit")
        self.write(layout.STOP, int(Inner.TRANSLATE))
        self.line(f"ret void\n{there}:")
        records = self.value(
            f"phi ptr [{known}, %{looked}], [{made}, %{new}], [{second_records}, %{kept}]"
        )
        return records, there

    def arrive(self) -> tuple[str, str]:
        """Find the op record at CIA, and the limit there; ``limit`` is what is left so far.

        Where the budget runs short, ``approach`` goes on instead.
        """
        record = self.find()
        limit = self.value(f"add i64 {self.value(f'ptrtoint ptr {record} to i64')}, %limit")
        short, here = self.poll("%limit"), self.label()
        self.line(f"br label %{here}\n{short}:")
        self.line(tail_call("@approach", record, limit))
        self.line(f"{here}:")
        return record, limit

    def next_page(self) -> str:
        """Return the address of the page after this one."""
        return self.value(f"add i64 {self.read(layout.PAGE_EA)}, {PAGE}")

    def go(self, record: str, limit: str) -> None:
        """Pass control to the handler of an op record."""
        self.line(tail_call(self.value(f"load ptr, ptr {record}"), record, limit))

    def row(self, msr: str) -> str:
        """Return the address of the row of the context that an MSR asks for."""
        order = self.value(f"and i64 {msr}, {MSR_LE}")
        problem = self.value(f"lshr i64 {msr}, {MSR_PR.bit_length() - 2}")
        problem = self.value(f"and i64 {problem}, 2")
        translation = self.value(f"lshr i64 {msr}, {layout.CONTEXT_SHIFT}")
        translation = self.value(f"and i64 {translation}, {3 << 2}")
        number = self.value(f"or i64 {self.value(f'or i64 {order}, {problem}')}, {translation}")
        offset = self.value(f"mul i64 {number}, {layout.CONTEXT_SIZE}")
        return self.field(self.value(f"add i64 {offset}, {layout.CONTEXTS}"))

    def use(self, row: str) -> None:
        """Go on in the context of a row."""
        for offset, field in ((0, layout.MODE), (8, layout.FETCH_KEY), (16, layout.DATA_TLB)):
            self.write(field, self.value(f"load i64, ptr {self.beside(row, offset)}"))

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
        "breakpoint": _breakpoint(),
    }
    stops = {
        "budget_end": Stop.BUDGET,
        "odd": Stop.ODD,
        "missing": Inner.MISSING,
    }
    for name, reason in stops.items():
        named[name] = Fragment()
        named[name].stop_before(reason)
    texts = [part.text(name) for name, part in named.items()]
    return "\n".join((_enter(), _mode_at(), *texts, slow_paths()))


def _enter() -> str:
    """Go on at CIA until the count is ``DEADLINE``, or to a stop; bring NOW up to date.

    There is a context for what the MSR asks for: ``Contexts.knows`` it. The engine has been at
    work: TLBs may be out of date.
    """
    text = Fragment()
    generation = text.value(f"load i64, ptr {text.shared(layout.GENERATION)}")
    old, start, loop, done = (text.label() for _ in range(4))
    same = text.value(f"icmp eq i64 {text.read(layout.SEEN)}, {generation}")
    text.line(f"br i1 {same}, label %{done}, label %{old}\n{old}:")
    changed = text.value(f"xor i64 {text.read(layout.SEEN)}, {generation}")
    untrue = text.value(f"icmp uge i64 {changed}, {layout.UNTRUE}")
    stamp = text.value(
        f"add i64 {text.read(layout.STAMP)}, {text.value(f'zext i1 {untrue} to i64')}"
    )
    text.write(layout.STAMP, stamp)
    text.write(layout.SEEN, generation)
    text.line(f"br label %{start}\n{start}:\nbr label %{loop}\n{loop}:")
    text.line(f"%number = phi i64 [0, %{start}], [%next, %{loop}]")
    entry = text.value("shl i64 %number, 4")
    text.write(text.value(f"add i64 {entry}, {layout.FETCH_TLB}"), NOBODY)
    entry = text.value("shl i64 %number, 5")
    for tlb in range(layout.TLBS_FOR_DATA):
        for tag in layout.TAGS:
            place = layout.DATA_TLBS + tlb * layout.DATA_TLB_SIZE + tag
            text.write(text.value(f"add i64 {entry}, {place}"), NOBODY)
    text.line("%next = add i64 %number, 1")
    last = text.value(f"icmp eq i64 %next, {layout.TLB_ENTRIES}")
    text.line(f"br i1 {last}, label %{done}, label %{loop}\n{done}:")
    msr = text.read(MSR.offset)
    text.write(layout.ADMITS, text.value(f"and i64 {msr}, {MSR_EE}"))
    text.use(text.row(msr))
    deadline = text.read(layout.DEADLINE)
    budget = text.value(f"sub i64 {deadline}, {text.read(NOW.offset)}")
    scaled = text.value(f"shl i64 {budget}, {layout.UNIT_SHIFT}")
    text.line(f"call {CONVENTION} @lookup(ptr %cpu, ptr null, i64 {scaled})")
    text.uproot()
    left = text.value(f"lshr i64 {text.read(layout.LEFT)}, {layout.UNIT_SHIFT}")
    text.write(NOW.offset, text.value(f"sub i64 {deadline}, {left}"))
    text.line("ret void")
    body = "\n".join(text.lines)
    return f"define void @enter(ptr %cpu) #0 {{\n{body}\n}}\n"


def _lookup() -> Fragment:
    """Go on at CIA; here ``limit`` is what is left of the budget."""
    lookup = Fragment()
    record, limit = lookup.arrive()
    heat = lookup.beside(record, layout.HEAT)
    warmer = lookup.value(f"add i32 {lookup.value(f'load i32, ptr {heat}')}, 1")
    lookup.line(f"store i32 {warmer}, ptr {heat}")
    lookup.go(record, limit)
    return lookup


def _interpret() -> Fragment:
    """Go on at CIA, with the instruction's own handler if there is a region.

    Here ``limit`` is what is left of the budget.
    """
    interpret = Fragment()
    record, limit = interpret.arrive()
    below = interpret.value(f"load ptr, ptr {interpret.beside(record, layout.BELOW)}")
    region = interpret.fork(interpret.value(f"icmp eq ptr {below}, null"))
    interpret.go(record, limit)
    interpret.line(f"{region}:")
    interpret.line(tail_call(below, record, limit))
    return interpret


def _context() -> Fragment:
    """Go on at CIA, the MSR having changed; stop if that asks for more than another mode.

    Here ``limit`` is what is left of the budget.
    """
    context = Fragment()
    msr = context.read(MSR.offset)
    usual = MSR_SF | TRACING
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
    row = context.row(msr)
    mode = context.value(f"load i64, ptr {row}")
    unknown = context.fork(context.value(f"icmp sge i64 {mode}, 0"))
    context.use(row)
    context.line(tail_call("@lookup", "%ip"))
    for label in (elsewhere, early, unknown):
        context.line(f"{label}:\nbr label %{stop}")
    context.line(f"{stop}:")
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


def _breakpoint() -> Fragment:
    """Stop before an instruction if there is a breakpoint, unless the run begins with it."""
    fragment = Fragment()
    passed = fragment.value(f"icmp eq i64 {fragment.now()}, {fragment.read(layout.PASSED)}")
    look = fragment.fork(fragment.value(f"xor i1 {passed}, 1"))
    stop = fragment.label()
    cia = fragment.cia()
    first = fragment.value(f"load ptr, ptr {fragment.field(layout.BREAKPOINTS)}")
    fragment.unless_listed(first, stop, lambda place: fragment.value(f"icmp eq i64 {place}, {cia}"))
    fragment.line(f"br label %{look}\n{look}:")
    below = fragment.value(f"load ptr, ptr {fragment.beside('%ip', layout.BELOW)}")
    fragment.line(tail_call(below, "%ip"))
    fragment.line(f"{stop}:")
    fragment.stop_before(Stop.BREAKPOINT)
    return fragment


def _mode_at() -> str:
    """Return the function that tells in which of its two modes code on a page runs.

    There is one for pages with breakpoints.
    """
    text = LlvmText()
    first = text.value(f"load ptr, ptr {text.field(layout.BREAKPOINTS)}")
    found = text.label()

    def same(place: str) -> str:
        return text.value(
            f"icmp eq i64 {text.value(f'and i64 {place}, {layout.PAGE_MASK}')}, %page"
        )

    text.unless_listed(first, found, same)
    text.line(f"ret i64 %mode\n{found}:")
    text.line(f"ret i64 {text.value(f'or i64 %mode, {layout.BREAKING}')}")
    body = "\n".join(text.lines)
    head = f"define internal {FILLER} @mode_at(ptr %cpu, i64 %page, i64 %mode) #1"
    return f"{head} {{\n{body}\n}}\n"
