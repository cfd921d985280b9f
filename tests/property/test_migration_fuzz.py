"""Damaged streams of migrating guests: one line that says so, never anything else.

Where records have the checksums that belong to them, what is behind them is tried too.
"""

import io
import json
import os
import random

import pytest

from papvmm.control.migration.figures import Status
from papvmm.control.migration.incoming import take_in
from papvmm.control.migration.stream import Kind, Reader, Record, Writer
from papvmm.errors import BadInput
from papvmm.machine.builder import build
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running, hcall
from tests.migrating import here, over
from tests.mutations import damaged, twisted
from tests.saved import run_to_exit

A_FEW = 150
CASES = int(os.environ.get("PAPVMM_TEST_CASES", "1000"))
MANY = pytest.param(CASES, marks=pytest.mark.slow)


@pytest.fixture
async def sent(tmp_path):
    """A guest's configuration, and the stream that it went away in."""
    guest = guest_running(f"{hcall(0x7770)}; {SPIN}", vcpus=2, memory_size=64 << 10)
    guest.memory.store_be(0x8004, 2, 640)
    guest.vcpus[0].areas.register(guest.vcpus[0].areas.vpa.kind, 0x8000, 0, online=True)
    guest.hash_table.enter(8, 0x1001, 0x2192)
    run_to_exit(guest, 1)
    async with here(guest) as (machine, leaving):
        leaving.send(machine, f"file:{tmp_path}/stream")
        assert await over(leaving) is Status.COMPLETED
    return guest.config, (tmp_path / "stream").read_bytes()


def reading(stream):
    """Return a reader of a stream, which says as a socket does when there is no more of it."""
    file = io.BytesIO(stream)

    def receive(size):
        data = file.read(size)
        if len(data) < size:
            raise BadInput("the stream ends before the guest is whole")
        return data

    return Reader(receive)


def records(stream):
    reader = reading(stream)
    reader.begin()
    found = [reader.read()]
    while found[-1].kind is not Kind.GO:
        found.append(reader.read())
    return found


def written(changed):
    """Return the stream of records, with the checksums that they have now."""
    stream = bytearray()
    writer = Writer(stream.extend)
    writer.begin()
    writer.write(changed)
    return bytes(stream)


def one_line(config, stream):
    """Take a guest in and run it, or return the line that says why it can't be."""
    guest = build(config)
    try:
        take_in(guest, reading(stream))
        guest.run(50)
    except BadInput as error:
        return str(error)
    return None


@pytest.mark.parametrize("times", [A_FEW, MANY])
def test_a_damaged_stream_is_refused_in_one_line(sent, times):
    config, stream = sent
    generator = random.Random(times)
    ready = len(written(records(stream)[:-1]))
    for _ in range(times):
        bad = damaged(stream[:ready], generator)

        line = one_line(config, bad)

        assert (line is not None) == (bad != stream[:ready] and not bad.startswith(stream[:ready]))
        assert line is None or "\n" not in line


def changed(whole, generator):
    """Return records of which some are others, elsewhere or gone."""
    some = list(whole)
    at = generator.randrange(len(some))
    kind, number, payload = some[at]
    match generator.randrange(5):
        case 0:
            del some[at]
        case 1:
            some.insert(generator.randrange(len(some)), some.pop(at))
        case 2:
            some[at] = Record(generator.choice(list(Kind)), number, payload)
        case 3:
            some[at] = Record(kind, generator.getrandbits(generator.choice((4, 20, 64))), payload)
        case _ if kind in (Kind.CONFIGURATION, Kind.STATE):
            text = json.dumps(twisted(json.loads(payload), generator)).encode()
            some[at] = Record(kind, number, text)
        case _:
            some[at] = Record(kind, number, damaged(payload, generator))
    return some


@pytest.mark.parametrize("times", [A_FEW, MANY])
def test_what_no_checksum_can_notice_is_refused_in_one_line_or_is_a_guest(sent, times):
    config, stream = sent
    whole, generator = records(stream), random.Random(times)
    refusals = 0
    for _ in range(times):
        line = one_line(config, written(changed(whole, generator)))

        refusals += line is not None
        assert line is None or "\n" not in line
    assert refusals > times // 4
