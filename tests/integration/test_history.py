"""Going back in time: a guest is what it was, and does what it did."""

import random

import pytest

from papvmm.digests import sha256
from papvmm.engine.watch import Watch
from papvmm.isa.state import CIA, GPR
from papvmm.machine import checkpoints, history
from papvmm.machine.checkpoints import NoHistory
from papvmm.machine.history import History
from papvmm.machine.inputs import Keys, Memory, Registers, Reset
from papvmm.machine.missing import Missing
from papvmm.machine.outcome import GuestAccess, HypervisorStores, Paused, PoweredOff
from papvmm.machine.state import capture
from papvmm.machine.stretches import Stretches
from tests.guest_programs import ENTRY, guest_running, hcall, place
from tests.saved import FOREVER, booted

ENGINES = ("python", "native")
GUESTS = {
    "smp": ("smp.elf", {"vcpus": 2}),
    "short slices": ("smp.elf", {"vcpus": 3, "slice_counts": 777}),
    "areas": ("areas.elf", {}),
    "hello": ("hello-le.elf", {}),
}
SPIN = "addi 10,10,1; b -4"


def all_of(guest):
    """Return everything that has to be the same, digested where it is long."""
    return (
        capture(guest).digest,
        sha256(guest.memory.ram.tobytes()).hexdigest(),
        sha256(guest.hash_table.content[:]).hexdigest(),
        list(guest.door.writes),
    )


@pytest.mark.parametrize("accel", ENGINES)
@pytest.mark.parametrize("name", GUESTS)
def test_a_guest_put_back_at_random_does_the_same_again(name, accel):
    image, config = GUESTS[name]
    chance = random.Random(name + accel)
    reference, said = booted(image, accel=accel, **config)
    assert reference.run(FOREVER) == PoweredOff()
    total = reference.clock.icount
    guest, said_again = booted(image, accel=accel, **config)
    guest.run(chance.randrange(total))
    past = History(guest)
    first, there = past.position, all_of(guest)
    guest.run(chance.randrange(total))
    later, here = past.position, all_of(guest)

    past.seek(first)
    was_there = all_of(guest)
    past.seek(later)
    was_here = all_of(guest)
    past.seek(first)
    outcome = guest.run(FOREVER)

    assert was_there == there
    assert was_here == here
    assert outcome == PoweredOff()
    assert said_again == said
    assert all_of(guest) == all_of(reference)


@pytest.mark.parametrize("accel", ENGINES)
def test_stepping_back_visits_every_instruction_of_a_vcpu(accel):
    guest = guest_running(f"{hcall(0x7770)}; {SPIN}", vcpus=1, accel=accel)
    past = History(guest)
    seen = []
    for _ in range(12):
        seen.append((guest.clock.icount, guest.vcpus[0].state.read(CIA)))
        guest.run(1)

    back = []
    while past.step_back(guest.vcpus[0]):
        back.append((guest.clock.icount, guest.vcpus[0].state.read(CIA)))

    assert back == seen[::-1]
    assert past.position == past.begin


def test_stepping_back_finds_a_vcpu_that_has_not_the_turn():
    guest, _ = booted("smp.elf", vcpus=2, slice_counts=500)
    past = History(guest)
    guest.run(20_000)
    other = next(vcpu for vcpu in guest.vcpus if vcpu is not guest.scheduler.current)
    before = other.state.buffer.tobytes()

    assert past.step_back(other)

    assert guest.inside is other
    assert other.state.buffer.tobytes() != before
    guest.run(1)
    assert other.state.read(CIA) == int.from_bytes(before[CIA.offset : CIA.offset + 8], "little")


@pytest.mark.parametrize("accel", ENGINES)
def test_running_back_stops_at_the_latest_breakpoint_before(accel):
    guest = guest_running(f"li 4,0; addi 4,4,1; {SPIN.replace('-4', '-8')}", accel=accel)
    past = History(guest)
    guest.run(30)
    passed = [(guest.clock.icount - 1) // 3 * 3 + 1]
    guest.vcpus[0].engine.breakpoints.add(ENTRY + 4)

    while past.run_back() == Paused("breakpoint"):
        passed.append(guest.clock.icount)
        assert guest.vcpus[0].state.read(CIA) == ENTRY + 4

    assert passed[1:] == [28, 25, 22, 19, 16, 13, 10, 7, 4, 1]
    assert past.position == past.begin


def test_a_breakpoint_found_back_does_not_stop_the_guest_again_at_once():
    guest = guest_running(f"li 4,0; {SPIN}")
    past = History(guest)
    guest.vcpus[0].engine.breakpoints.add(ENTRY + 4)
    guest.run(8)
    guest.run(8)

    past.run_back()
    icount = guest.clock.icount

    assert guest.run(100) == Paused("breakpoint")
    assert guest.clock.icount == icount + 2


def test_a_breakpoint_at_an_interrupt_handler_is_found_back():
    """The interrupt is taken between two instructions: the count alone does not tell."""
    guest = guest_running(f"addi 10,10,1; trap; {SPIN}")
    place(guest.memory, "rfid", at=0x700)
    past = History(guest)
    guest.vcpus[0].engine.breakpoints.add(0x700)
    stops = []
    while len(stops) < 3:
        assert guest.run(100) == Paused("breakpoint")
        stops.append((past.position, guest.vcpus[0].state.buffer.tobytes()))

    guest.vcpus[0].engine.breakpoints.add(0x704)
    for position, registers in reversed(stops[:-1]):
        assert past.run_back() == Paused("breakpoint")
        assert past.position == position
        assert guest.vcpus[0].state.buffer.tobytes() == registers
    past.seek(stops[2][0])
    assert guest.vcpus[0].state.buffer.tobytes() == stops[2][1]


@pytest.mark.parametrize("accel", ENGINES)
def test_running_back_stops_at_the_latest_store_to_watched_bytes(accel):
    guest = guest_running("li 4,0x2000; addi 5,5,1; std 5,0(4); b -8", accel=accel)
    past = History(guest)
    guest.run(30)
    guest.vcpus[0].engine.watchpoints.add(Watch(0x2000, 8, loads=False))

    values = []
    while (outcome := past.run_back()) is not None:
        assert isinstance(outcome, Paused)
        assert isinstance(outcome.hit, GuestAccess)
        assert outcome.hit.cia == guest.vcpus[0].state.read(CIA) == ENTRY + 8
        values.append(guest.memory.load_be(0x2000, 8))

    assert values == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_watchpoint_found_back_does_not_stop_the_guest_again_at_once():
    guest = guest_running("li 4,0x2000; addi 5,5,1; std 5,0(4); b -8")
    past = History(guest)
    guest.run(30)
    guest.vcpus[0].engine.watchpoints.add(Watch(0x2000, 8))
    past.run_back()
    icount = guest.clock.icount

    assert guest.run(3) == Paused("limit")
    assert guest.run(3) != Paused("limit")
    assert guest.clock.icount == icount + 3


def test_running_back_stops_at_the_latest_store_of_the_hypervisor():
    guest, _ = booted("smp.elf", vcpus=2)
    guest.run(20_000)
    past = History(guest)
    guest.run(10_000)
    writes = [write for write in guest.door.writes if write.icount >= past.begin.icount]
    watched = Watch(writes[-1].gpa, len(writes[-1].new), real=True)
    seen = [write for write in writes if write.gpa == watched.address]
    guest.vcpus[0].engine.watchpoints.add(watched)

    found = []
    while (outcome := past.run_back()) is not None:
        if isinstance(outcome.hit, HypervisorStores):
            found[:0] = [write for _, write in outcome.hit.stores]

    assert len(seen) > 3
    assert found == seen[: len(found)]
    assert len(found) >= len(seen) - 2


def test_inputs_come_again_where_they_came():
    text = f"{hcall(0x54, 0)}; add 21,21,4; b -16"
    guest = guest_running(text)
    place(guest.memory, SPIN, at=0)
    past = History(guest)
    for keys in (b"a", b"bc", b"d"):
        guest.run(100)
        guest.take(Keys(keys))
    guest.run(50)
    guest.take(Memory(0x8000, b"poke"))
    guest.take(Registers(0, ((GPR.at(22), b"\x07" + bytes(7)),)))
    guest.run(50)
    guest.take(Reset("test"))
    guest.run(50)
    end, here = past.position, all_of(guest)

    past.seek(10)
    early = guest.memory.read(0x8000, 4)
    past.seek(end)

    assert early == bytes(4)
    assert all_of(guest) == here


def test_an_input_in_the_past_ends_the_old_future():
    guest = guest_running(f"{hcall(0x54, 0)}; add 21,21,4; b -16")
    past = History(guest)
    guest.run(100)
    guest.take(Keys(b"old"))
    guest.run(100)
    past.seek(50)

    guest.take(Keys(b"new"))

    assert not past.is_past
    assert past.end == past.position
    guest.run(150)
    assert guest.vcpus[0].state.read(GPR, 21) == 3


def test_history_begins_where_it_was_begun():
    guest = guest_running(SPIN)
    guest.run(50)
    past = History(guest)
    guest.run(50)

    with pytest.raises(NoHistory, match="history begins @ 50"):
        past.seek(20)

    assert guest.clock.icount == 100
    assert past.run_back() is None
    assert guest.clock.icount == 50


def test_checkpoints_are_thinned_out_and_all_of_them_still_right(monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST", 6)
    monkeypatch.setattr(history, "APART", 0)
    monkeypatch.setattr(history, "DEAREST", 0)
    guest, _ = booted("smp.elf", vcpus=2, slice_counts=900)
    past = History(guest)
    digests = {}
    for _ in range(40):
        guest.run(731)
        digests[past.position] = all_of(guest)
        past.tick()
    kept = past.checkpoints

    assert len(kept) == 6
    assert kept[0] == past.begin
    for position in sorted(digests, reverse=True):
        past.seek(position)
        assert all_of(guest) == digests[position]


def test_a_guest_that_is_fast_enough_for_whole_slices_gets_its_checkpoints(monkeypatch):
    """Checkpoints are made within slices only."""
    monkeypatch.setattr(history, "APART", 0)
    monkeypatch.setattr(history, "DEAREST", 0)
    guest = guest_running(SPIN, slice_counts=1000)
    past = History(guest)
    past.tick()
    stretches = Stretches()
    for _ in range(40):
        guest.next_turn()
        stretches.advance(guest, FOREVER)

    assert len(past.checkpoints) >= 20


def test_what_is_missing_is_counted_once():
    guest = guest_running(f"{hcall(0x7770)}; {hcall(0x7770)}; {SPIN}")
    missing = Missing(guest, lambda _: None, everything=True)
    past = History(guest)
    guest.run(20)

    past.seek(0)
    guest.run(20)

    (line,) = missing.lines()
    assert "asked for 2 times" in line


def test_nothing_the_guest_does_again_is_seen():
    guest, said = booted("smp.elf", vcpus=2)
    past = History(guest)
    guest.run(FOREVER)
    told = bytes(said)

    past.seek(5_000)
    past.seek(past.end)

    assert bytes(said) == told
