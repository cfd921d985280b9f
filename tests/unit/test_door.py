"""What the hypervisor's door does to RAM, and what it remembers."""

import pytest

from papvmm.memory.door import REMEMBERED, Origin
from papvmm.memory.guest_memory import CODE_LINE, OutOfRange
from tests.fakes import Partition

ORIGIN = Origin("enter", 1, "VPA", "lppaca.yield_count")


def test_the_latest_stores_are_remembered_and_all_are_counted():
    partition = Partition()
    for number in range(REMEMBERED + 2):
        partition.door.store(0x100, number.to_bytes(4, "big"), ORIGIN)

    writes = partition.door.writes

    assert partition.door.count == REMEMBERED + 2
    assert len(writes) == REMEMBERED
    assert writes[0].new == (2).to_bytes(4, "big")
    assert next(reversed(writes)) == writes[-1]
    assert [write.new[-1] for write in writes[:3]] == [2, 3, 4]


@pytest.mark.parametrize("gpa", [CODE_LINE - 4, CODE_LINE, 2 * CODE_LINE - 1, 3 * CODE_LINE - 2])
@pytest.mark.parametrize("length", [1, 8, 48, 3 * CODE_LINE])
def test_a_store_drops_code_exactly_where_there_is_some(gpa, length):
    partition = Partition()
    dropped = []
    partition.memory.code[1] = 1
    partition.memory.on_code_write(lambda *where: dropped.append(where))

    partition.door.store(gpa, bytes(length), ORIGIN)

    hit = gpa < 2 * CODE_LINE and gpa + length > CODE_LINE
    assert dropped == ([(gpa, length)] if hit else [])


@pytest.mark.parametrize("gpa", [-1, 0xFFFD, 0x10000])
def test_a_store_outside_ram_is_an_error(gpa):
    partition = Partition(memory_size=0x10000)

    with pytest.raises(OutOfRange):
        partition.door.store(gpa, bytes(4), ORIGIN)

    assert not partition.door.writes
