"""No argument of any hypercall is an exception: guest mistakes are answers."""

import random

import pytest

from papvmm.bits import M64, signed
from papvmm.isa.state import GPR
from papvmm.papr.hcall import Hcall, HcallStatus
from papvmm.papr.hcalls import hypercalls
from papvmm.papr.rtas import RTAS_CALLS
from tests.fakes import Partition

STATUSES = {int(status) for status in HcallStatus}
EVERY_TOKEN = range(0x601)
TOKENS = (*EVERY_TOKEN, *range(0xF000, 0xF101), 1 << 32, M64, *list(Hcall) * 400)
RAM = 0x10000
EDGES = (
    0, 1, 2, 3, 4, 16, 17, 127, 128, 4095, 4096, 0x2000, 0x2001, RAM - 4096, RAM - 48, RAM - 8,
    RAM, RAM + 1, 0x7100_0000, 1 << 14, 1 << 15, 0xFFFF_FFFF, 1 << 32, 1 << 60, 1 << 63, M64 - 1,
    M64, 0xC000_0000_0000_0000, *(sub << 45 for sub in range(8)),
)  # fmt: skip
RTAS_TOKENS = (0, *(call.token for call in RTAS_CALLS))


def fuzz(seed: int, calls: int) -> list[tuple[int, int]]:
    """Make random hypercalls on one partition; return each with its status in r3."""
    generator = random.Random(seed)
    table, partition = hypercalls(), Partition(vcpus=3, memory_size=RAM)
    answers = []
    for number in range(calls):
        token = number if number in EVERY_TOKEN else generator.choice(TOKENS)
        partition.caller = generator.choice(partition.vcpus)
        partition.clock.count += generator.choice((0, 1, 10**9, 10**18))
        gpa = generator.choice((0x2000, RAM - 12, RAM - 16))
        words = generator.choice(RTAS_TOKENS), *generator.choices((0, 1, 2, 7, M64 >> 32), k=9)
        buffer = b"".join(word.to_bytes(4, "big") for word in words)
        partition.memory.write(gpa, buffer[: RAM - gpa])
        state = partition.caller.state
        state.write(GPR, token, 3)
        for register in range(4, 13):
            value = generator.choice((*EDGES, gpa, generator.getrandbits(64)))
            state.write(GPR, value, register)
        table.serve(partition)
        answers.append((token, signed(state.read(GPR, 3), 64)))
    return answers


@pytest.mark.parametrize(
    ("seed", "calls"), [(1, 5_000), pytest.param(2, 200_000, marks=pytest.mark.slow)]
)
def test_every_hypercall_answers_with_a_status_of_papr(seed, calls):
    answers = fuzz(seed, calls)

    assert {status for _, status in answers} <= STATUSES
    unknown = {status for token, status in answers if token not in set(Hcall)}
    assert unknown == {HcallStatus.H_FUNCTION}
    assert {token for token, _ in answers} >= {int(hcall) for hcall in Hcall}
