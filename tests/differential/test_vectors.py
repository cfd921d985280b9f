"""The Python engine against the shared instruction vectors."""

import pytest

from papvmm.engine.accel import python_engines
from papvmm.memory.guest_memory import GuestMemory
from tests.differential.vectors import expected, masked, observe, outcome, set_up, vectors

VECTORS = list(vectors())


@pytest.fixture(scope="module")
def memory():
    return GuestMemory(512 << 20)


@pytest.mark.parametrize("mnemonic", sorted({vector["mnem"] for vector in VECTORS}))
def test_vectors(mnemonic, memory):
    processor = python_engines(memory, 1)[0]
    for vector in VECTORS:
        if vector["mnem"] == mnemonic:
            set_up(vector, processor.state, memory)
            want, why = expected(vector, observe(processor.state, vector, memory))

            seen, stopped = outcome(vector, processor, memory)

            assert (masked(seen, vector), stopped) == (masked(want, vector), why), vector["asm"]
