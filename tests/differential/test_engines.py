"""Every engine against the shared vectors, and against the others on whole loops."""

import mmap

import pytest
from vectors import expected, masked, observe, set_up, vectors

from papvmm.engine.native.runtime import NativeEngine
from papvmm.engine.python.engine import PythonEngine
from papvmm.engine.stops import Stop
from papvmm.isa.encode import assemble
from papvmm.isa.state import CIA, CTR, FAULT_EA, GPR, LR, MSR, ArchState

RAM = mmap.mmap(-1, 0x10200000)
VIEW = memoryview(RAM)
SC = assemble("sc 0")
MSR_SF = 1 << 63


def python_engine(*, little_endian: bool):
    state = ArchState()
    engine = PythonEngine(state, VIEW, little_endian=little_endian)
    return state, engine.run


def interpreter(*, little_endian: bool):
    engine = NativeEngine(RAM, little_endian=little_endian)
    return engine.state, engine.run


def region(*, little_endian: bool, longest: int = 1):
    engine = NativeEngine(RAM, little_endian=little_endian)

    def run():
        engine.install([engine.state.read(CIA)], longest=longest)
        return engine.run()

    return engine.state, run


def long_region(*, little_endian: bool):
    return region(little_endian=little_endian, longest=200)


def run_vector(vector, make):
    little_endian = vector["endian"] == "le"
    state, run = make(little_endian=little_endian)
    set_up(vector, state, VIEW)
    cia = int(vector["pc"], 16)
    for successor in (cia + 4, cia + 12):
        VIEW[successor : successor + 4] = SC.to_bytes(4, "little" if little_endian else "big")
    want, stop = expected(vector, observe(state, vector, VIEW))
    stopped = run()
    if stopped is Stop.SYSTEM_CALL:
        state.write(CIA, state.read(CIA) - 4)
        stopped = Stop.BUDGET
    return (masked(observe(state, vector, VIEW), vector), stopped), (masked(want, vector), stop)


VECTORS = list(vectors())


@pytest.mark.parametrize("make", [python_engine, interpreter, region])
@pytest.mark.parametrize("mnemonic", sorted({vector["mnem"] for vector in VECTORS}))
def test_vectors(mnemonic, make):
    for vector in VECTORS:
        if vector["mnem"] == mnemonic:
            got, want = run_vector(vector, make)

            assert got == want, vector["asm"]


SIEVE = """
    lis 8,16; mr 9,8; mtctr 3; li 0,0
    stb 0,0(9); addi 9,9,1; bdnz -8
    li 4,2; li 5,0; li 6,1
    add 9,8,4; lbz 7,0(9); cmpwi 7,0; bne 32
    addi 5,5,1; add 7,4,4
    cmpd 7,3; bge 16; stbx 6,8,7; add 7,7,4; b -16
    addi 4,4,1; cmpd 4,3; blt -52
    sc 0
"""


def run_loop(make, text, *, little_endian, **registers):
    state, run = make(little_endian=little_endian)
    for number, line in enumerate(
        part for part in text.replace("\n", ";").split(";") if part.strip()
    ):
        word = assemble(line).to_bytes(4, "little" if little_endian else "big")
        VIEW[0x1000 + 4 * number : 0x1004 + 4 * number] = word
    state.write(MSR, MSR_SF)
    state.write(CIA, 0x1000)
    for name, value in registers.items():
        state.write(GPR, value, int(name[1:]))
    stop = run()
    return stop, bytes(state.buffer), state


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize("make", [python_engine, interpreter, long_region])
def test_a_sieve_counts_the_primes_below_1000(make, little_endian):
    stop, _, state = run_loop(make, SIEVE, little_endian=little_endian, r3=1000)

    assert (stop, state.read(GPR, 5)) == (Stop.SYSTEM_CALL, 168)


@pytest.mark.parametrize("make", [interpreter, long_region])
def test_engines_end_a_sieve_in_the_same_state(make):
    reference = run_loop(python_engine, SIEVE, little_endian=False, r3=300)

    assert run_loop(make, SIEVE, little_endian=False, r3=300)[:2] == reference[:2]


@pytest.mark.parametrize("make", [python_engine, interpreter, long_region])
def test_a_fault_leaves_the_state_before_the_faulting_instruction(make):
    text = "addi 4,4,1; ldu 5,8(3); addi 4,4,1; sc 0"

    stop, _, state = run_loop(make, text, little_endian=False, r3=1 << 40, r5=7)

    assert stop is Stop.DATA_STORAGE
    assert state.read(CIA) == 0x1004
    assert state.read(FAULT_EA) == (1 << 40) + 8
    assert [state.read(GPR, n) for n in (3, 4, 5)] == [1 << 40, 1, 7]


@pytest.mark.parametrize("make", [python_engine, interpreter, long_region])
def test_a_reservation_is_lost_when_the_value_changed(make):
    text = "ldarx 5,0,3; stdx 6,0,3; stdcx. 7,0,3; mfcr 8; ldarx 5,0,3; stdcx. 7,0,3; mfcr 9; sc 0"
    VIEW[0x2000:0x2008] = bytes(8)

    _, _, state = run_loop(make, text, little_endian=False, r3=0x2000, r6=1, r7=2)

    assert [state.read(GPR, n) >> 29 & 1 for n in (8, 9)] == [0, 1]
    assert VIEW[0x2000:0x2008].tobytes() == (2).to_bytes(8, "big")


@pytest.mark.parametrize("make", [python_engine, interpreter, long_region])
def test_linking_and_counting_branches(make):
    text = "li 3,5; mtctr 3; bl 8; sc 0; addi 4,4,1; bdnz -4; blr"

    _, _, state = run_loop(make, text, little_endian=False)

    assert (state.read(GPR, 4), state.read(CTR), state.read(LR)) == (5, 0, 0x100C)
