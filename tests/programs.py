"""Guest programs as text, in RAM of their own, on an engine."""

import ctypes
import mmap

from papvmm.engine.native.code import USUAL_PACE, NativeCode
from papvmm.engine.native.executor import NativeExecutor
from papvmm.engine.native.jobs import perform
from papvmm.engine.native.regions import Pace
from papvmm.engine.native.workshop import INTERPRETER, Finished, Workshop
from papvmm.engine.processor import Processor
from papvmm.engine.python.code_cache import TRACES, CodeCache
from papvmm.engine.python.executor import HOT, PythonExecutor
from papvmm.engine.python.on_demand import OnDemand
from papvmm.isa.encode import assemble_program
from papvmm.isa.msr import MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, NOW, ArchState
from papvmm.isa.versions import Isa
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import CompilerProcess
from papvmm.machine.engine_version import engine_version
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables

PROT_NONE = 0
CODE = 0x1000
DATA = 0x4000
RAM = 0x10000
NATIVE = "native"
"""Instead of a threshold of heat: the native engine."""
REGIONS = "regions"
"""The native engine, all code being hot."""
ALL_IS_HOT = Pace(hot=1, short=100, long=1 << 20, looked_up=1)
NEVER = 1 << 60
"""A threshold of heat that no code reaches: all is interpreted."""


def image(text: str, *, at: int = CODE, little_endian: bool = False) -> bytes:
    """Assemble a program for address ``at``."""
    order = "little" if little_endian else "big"
    return b"".join(word.to_bytes(4, order) for word in assemble_program(text, at))


default_heat = HOT
"""What programs get that ask for nothing: see the fixture ``every_engine``."""


def executor(memory, hot, traces=TRACES, tables=None, isa=Isa.V3_0):
    """An executor that is the only one of its guest; ``hot`` may make it."""
    if callable(hot):
        return hot(memory)
    if hot not in (NATIVE, REGIONS):
        state, cache = ArchState(), CodeCache(memory, limit=traces)
        mmu = tables and Mmu(state, tables)
        return PythonExecutor(state, memory, cache, mmu, hot=hot, isa=isa)
    store = DiskStore(cache_directory(), engine_version)
    workshop = Workshop(CompilerProcess(None, waits=True), store)
    if hot is REGIONS:
        workshop = Workshop(CompilerHere(), KeptInterpreter(store))
    pace = ALL_IS_HOT if hot is REGIONS else USUAL_PACE
    return native_executor(memory, workshop, pace, tables, isa)


def native_executor(memory, workshop, pace=ALL_IS_HOT, tables=None, isa=Isa.V3_0):
    """A native executor that is the only one of its guest."""
    code = NativeCode(memory, workshop, pace, isa)
    return NativeExecutor(memory, code, OnDemand(memory, isa), tables)


class CompilerHere:
    """A compiler that does its jobs at once."""

    def __init__(self):
        self.done = []

    def submit(self, job):
        self.done.append(Finished(job, perform(job)))

    def finished(self):
        done, self.done = self.done, []
        return done


class KeptInterpreter:
    """A store that has the interpreter only."""

    def __init__(self, store):
        self.store = store

    def load(self, name):
        return self.store.load(name) if name == INTERPRETER.kind else []


class GuardedMemory(GuestMemory):
    """RAM between two pages that the host lets nobody read or write."""

    def __init__(self, size):
        outer = mmap.mmap(-1, size + 2 * PAGE)
        base = ctypes.addressof(ctypes.c_char.from_buffer(outer))
        for guard in (base, base + PAGE + size):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), PAGE, PROT_NONE) == 0
        self._mapping, self.size = outer, size
        self.ram = memoryview(outer)[PAGE : PAGE + size]
        self.host_address = base + PAGE
        self.code = bytearray(size // CODE_LINE)
        self._is_over_file = False
        self._on_code_write = []
        self._on_write = []


class Program:
    """A processor about to run a program in supervisor state, and in real mode unless ``msr``
    says otherwise. Translation is by the guest's tables, or as ``translated`` does it.
    """

    def __init__(  # noqa: PLR0913 - what tests vary
        self,
        text,
        *,
        at=CODE,
        msr=0,
        ram=RAM,
        little_endian=False,
        hot=None,
        translated=None,
        traces=TRACES,
        isa=Isa.V3_0,
        **registers,
    ):
        self.memory = ram if isinstance(ram, GuestMemory) else GuestMemory(ram)
        self.memory.write(at, image(text, at=at, little_endian=little_endian))
        self.tables = tables = None if translated else Tables(self.memory, HashTable())
        heat = default_heat if hot is None else hot
        self.executor = executor(self.memory, heat, traces, tables, isa)
        self.state = self.executor.state
        translated = translated or Mmu(self.state, tables)
        self.processor = Processor(self.executor, self.memory, translated, isa)
        self.run = self.processor.run
        self.state.write(MSR, MSR_SF | MSR_ME | msr | (MSR_LE if little_endian else 0))
        self.state.write(CIA, at)
        for name, value in registers.items():
            self.set(name, value)

    def set(self, name: str, value: int) -> None:
        match name:
            case "ctr":
                self.state.write(CTR, value)
            case "lr":
                self.state.write(LR, value)
            case _ if name.startswith("vs"):
                self.state.set_vsr(int(name[2:]), value)
            case _:
                self.state.write(GPR, value, int(name[1:]))

    def gpr(self, number: int) -> int:
        return self.state.read(GPR, number)

    @property
    def now(self) -> int:
        return self.state.read(NOW)

    @property
    def cia(self) -> int:
        return self.state.read(CIA)

    def seen(self) -> tuple[bytes, bytes]:
        """Return all that a guest could see."""
        return bytes(self.state.buffer), bytes(self.memory.ram)


SIEVE = """
    lis 8,1; mr 9,8; mtctr 3; li 0,0
    stb 0,0(9); addi 9,9,1; bdnz -8
    li 4,2; li 5,0; li 6,1
    add 9,8,4; lbz 7,0(9); cmpwi 7,0; bne 32
    addi 5,5,1; add 7,4,4
    cmpd 7,3; bge 16; stbx 6,8,7; add 7,7,4; b -16
    addi 4,4,1; cmpd 4,3; blt -52
    sc 1
"""
"""Count the primes below r3 in r5."""
