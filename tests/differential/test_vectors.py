"""The Python engine against the shared instruction vectors."""

import pytest

from papvmm.engine.processor import Processor
from papvmm.engine.python.executor import PythonExecutor
from papvmm.isa.state import ArchState
from papvmm.memory.guest_memory import GuestMemory
from tests.differential.vectors import expected, masked, observe, outcome, set_up, vectors

VECTORS = list(vectors())


@pytest.fixture(scope="module")
def memory():
    return GuestMemory(512 << 20)


@pytest.mark.parametrize("mnemonic", sorted({vector["mnem"] for vector in VECTORS}))
def test_vectors(mnemonic, memory):
    processor = Processor(PythonExecutor(ArchState(), memory), memory)
    for vector in VECTORS:
        if vector["mnem"] == mnemonic:
            set_up(vector, processor.state, memory)
            want, why = expected(vector, observe(processor.state, vector, memory))

            seen, stopped = outcome(vector, processor, memory)

            assert (masked(seen, vector), stopped) == (masked(want, vector), why), vector["asm"]
