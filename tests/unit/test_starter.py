"""The first start of the native engine: a starter runs the guest until the interpreter is there."""

from functools import cache

import pytest

from papvmm.engine.code_marks import CODE_NATIVE, CODE_REGION
from papvmm.engine.native import layout
from papvmm.engine.native.jobs import perform
from papvmm.engine.native.regions import Pace
from papvmm.engine.native.starter import EVERYTHING, part
from papvmm.engine.native.variants import needed
from papvmm.engine.native.workshop import INTERPRETER, STARTER, Finished, Workshop
from papvmm.engine.processor import Processor
from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.state import MSR
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.engine_version import engine_version
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Tables
from tests.page_tables import ALL, room, switch_on
from tests.programs import ALL_IS_HOT, CODE, HOT, SIEVE, Program, image, native_executor

LOOP = "addi 3,3,1; add 4,4,3; b -8"
RARELY = Pace(hot=1 << 60)


class CompilerByHand:
    """Has a job done when a test says so."""

    def __init__(self):
        self.waiting = []
        self.done = []
        self.asked = []

    def submit(self, job):
        self.asked.append(job)
        self.waiting.append(job)

    def finished(self):
        done, self.done = self.done, []
        return done

    def finish(self, kind):
        job = next(job for job in self.waiting if job.kind == kind)
        self.waiting.remove(job)
        self.done.append(Finished(job, made(job)))


class NothingKept:
    def load(self, name):
        return []


@cache
def made(job):
    kept = DiskStore(cache_directory(), engine_version).load(job.name)
    return kept[-1] if job == INTERPRETER and kept else perform(job)


class Start:
    """A program on a native engine that has nothing yet."""

    def __init__(self, text, *, pace=RARELY, **options):
        self.compiler = CompilerByHand()
        workshop = Workshop(self.compiler, NothingKept())

        def make(memory):
            return native_executor(memory, workshop, pace)

        self.program = Program(text, hot=make, **options)
        self.reference = Program(text, hot=HOT, **options)

    def run(self, budget):
        """Run on, and compare all that the guest could see with the Python engine's."""
        assert self.program.run(budget) == self.reference.run(budget)
        assert self.program.seen() == self.reference.seen()

    def is_native(self, address=CODE):
        return bool(self.program.memory.code[address // CODE_LINE] & CODE_NATIVE)

    def write(self, address, data):
        for program in (self.program, self.reference):
            program.memory.write(address, data)


def test_a_starter_runs_the_guest_as_soon_as_it_is_there():
    start = Start(LOOP)
    start.run(1000)
    assert not start.is_native()

    start.compiler.finish(STARTER)
    start.run(1000)

    assert start.is_native()


def test_what_a_starter_has_no_handler_for_is_executed_all_the_same():
    start = Start(f"{LOOP}; nop; nop; nop; nop", r5=7)
    start.run(1000)
    start.compiler.finish(STARTER)
    start.run(1000)

    start.write(CODE + 4, assemble("mulld 5,5,3").to_bytes(4, "big"))

    for _ in range(50):
        start.run(997)


def test_a_starter_with_more_is_asked_for_when_a_handler_is_missing():
    start = Start(LOOP, r5=7)
    start.run(1000)
    start.compiler.finish(STARTER)
    start.run(1000)
    start.write(CODE + 4, assemble("mulld 5,5,3").to_bytes(4, "big"))
    start.run(1000)

    start.compiler.finish(STARTER)
    start.run(20_000)

    assert [job.kind for job in start.compiler.asked] == [INTERPRETER.kind, STARTER, STARTER]


def test_the_last_starter_has_handlers_for_everything():
    start = Start(LOOP, r5=7)
    start.run(1000)
    for text in ("divd 5,5,3", "mulld 5,5,3"):
        start.compiler.finish(STARTER)
        start.run(1000)
        start.write(CODE + 4, assemble(text).to_bytes(4, "big"))
        start.run(1000)

    assert start.compiler.waiting[-1].request == EVERYTHING


def test_there_is_an_end_to_asking_for_starters():
    start = Start(LOOP, r5=7)
    for number in range(8):
        start.write(CODE + 4, assemble(f"rlwinm. 5,5,{number},0,31").to_bytes(4, "big"))
        start.run(1000)
        if start.compiler.waiting[-1].kind == STARTER:
            start.compiler.finish(STARTER)
        start.write(CODE + 4, assemble(f"mulld 5,5,{number}").to_bytes(4, "big"))
        start.run(1000)

    assert len(start.compiler.asked) <= 4


@pytest.mark.parametrize("budget", [1, 97, 5000])
def test_the_interpreter_takes_over_from_a_starter_in_the_middle_of_a_run(budget):
    start = Start(SIEVE, r3=500, ram=0x20000)
    start.run(100)
    start.compiler.finish(STARTER)
    for _ in range(max(1000 // budget, 10)):
        start.run(budget)

    start.compiler.finish(INTERPRETER.kind)

    for _ in range(max(1000 // budget, 10)):
        start.run(budget)
    assert start.is_native()


def test_regions_stay_in_their_places_when_the_interpreter_takes_over():
    start = Start(LOOP, pace=ALL_IS_HOT)
    start.run(500)
    start.compiler.finish(STARTER)
    start.run(500)
    start.compiler.finish("region")
    start.run(5001)
    assert start.program.memory.code[CODE // CODE_LINE] & CODE_REGION

    start.compiler.finish(INTERPRETER.kind)
    for budget in (1, 2, 96, 97, 98, 5000):
        start.run(budget)

    assert start.program.memory.code[CODE // CODE_LINE] & CODE_REGION
    start.write(CODE, assemble("addi 3,3,16").to_bytes(4, "big"))
    assert not start.program.memory.code[CODE // CODE_LINE] & CODE_REGION
    start.run(5000)


def test_a_starter_that_comes_after_the_interpreter_is_ignored():
    start = Start(LOOP)
    start.run(1000)
    start.compiler.finish(INTERPRETER.kind)
    start.run(1000)

    start.compiler.finish(STARTER)

    start.run(1000)
    start.write(CODE + 4, assemble("mulld 4,4,3").to_bytes(4, "big"))
    start.run(1000)
    assert len(start.compiler.asked) == 2


def test_code_in_a_mode_that_the_starter_is_not_for_is_executed():
    """The guest counts to 100, becomes little-endian, and comes back by a system call."""
    start = Start(
        "addi 4,4,1; cmpdi 4,100; blt -8; mtspr 26,5; mtspr 27,6; rfid",
        r5=CODE + 0x1000,
        r6=MSR_SF | MSR_ME | MSR_LE,
    )
    start.write(CODE + 0x1000, image("addi 3,3,1; sc; b -8", little_endian=True))
    start.write(0xC00, image("addi 4,4,1; rfid"))
    start.run(100)
    start.compiler.finish(STARTER)

    for _ in range(40):
        start.run(331)
    start.compiler.finish(STARTER)
    for _ in range(40):
        start.run(331)

    assert start.program.gpr(4) > 2000
    assert start.is_native(CODE + 0x1000)


def test_the_first_instructions_may_change_the_byte_order():
    """As the start of a little-endian image does."""
    start = Start("mtspr 26,5; mtspr 27,6; rfid", r5=CODE + 0x100)
    for program in (start.program, start.reference):
        program.set("r6", MSR_SF | MSR_ME | MSR_LE)
        program.memory.write(CODE + 0x100, image("addi 3,3,1; b -4", little_endian=True))
    start.run(200)
    start.run(200)

    start.compiler.finish(STARTER)
    start.run(1000)

    assert start.is_native(CODE + 0x100)
    assert start.program.state.read(MSR) & MSR_LE


def test_a_starter_runs_code_with_translation_on():
    compiler = CompilerByHand()
    workshop = Workshop(compiler, NothingKept())
    memory = room()

    def make(ram):
        return native_executor(ram, workshop, RARELY, Tables(ram, HashTable()))

    program = Program(LOOP, hot=make, ram=memory)
    memory.write(0x9000, memory.read(CODE, PAGE))
    memory.write(CODE, bytes(PAGE))
    switch_on(program)[0].map(CODE, 0x9000, 12, ALL)
    run = Processor(program.executor, memory, program.executor.mmu).run
    run(1000)
    compiler.finish(STARTER)

    run(2000)

    assert memory.code[0x9000 // CODE_LINE] & CODE_NATIVE
    assert program.gpr(3) == 1000


def test_a_request_names_what_is_on_the_pages_around():
    memory = GuestMemory(0x40000)
    memory.write(CODE, image("addi 3,3,1; mulld 4,4,5"))
    memory.write(CODE + 30 * PAGE, image("divd 4,4,5"))

    (variants,) = needed(part(memory, CODE, 0)).values()

    assert {one.mnemonic for one, _ in variants} >= {"addi", "mulld", "icbi"}


def test_requests_add_up():
    memory = GuestMemory(0x40000)
    memory.write(CODE, image("addi 3,3,1"))
    memory.write(CODE + 30 * PAGE, image("divd 4,4,5", little_endian=True))
    little = layout.mode_of(MSR_LE)

    modes = needed(part(memory, CODE, 0) + part(memory, CODE + 30 * PAGE, little))

    big, small = ({one.mnemonic for one, _ in modes[mode]} for mode in (0, little))
    assert big ^ small == {"addi", "divd"}
    assert "addi" in big
