"""Whatever a guest asks for, who watches it writes something well-formed."""

import random
import xml.etree.ElementTree as ET

import pytest

from papvmm.bits import M64
from papvmm.isa.state import CIA, GPR
from papvmm.machine.config import AreasOnReset
from papvmm.machine.outcome import Paused
from papvmm.observe.log import CLASSES, Log
from papvmm.observe.perfetto import TraceWriter
from papvmm.observe.run import RunRecorder
from papvmm.observe.run_report import run_report
from papvmm.observe.run_text import run_text
from papvmm.observe.text import WIDTH
from papvmm.observe.tracks import Tracks
from papvmm.papr.hcall import Hcall
from papvmm.papr.rtas import RTAS_CALLS
from tests.guest_programs import ENTRY, guest_running

RAM = 1 << 20
TOKENS = (
    [h for h in Hcall if h is not Hcall.H_CEDE] * 3
    + [Hcall.H_CEDE]
    + [Hcall.H_REGISTER_VPA] * 40
    + [Hcall.H_RTAS] * 20
    + [0x7, 1 << 40, M64]
)
ENDING = ("power-off", "ibm,os-term", "stop-self", "system-reboot")
HARMLESS = [call.token for call in RTAS_CALLS if call.name not in ENDING]
EDGES = (0, 1, 3, 4, 0x2000, 0x2080, 0x3000, RAM - 48, RAM, M64, *(sub << 45 for sub in range(8)))


def watched(seed, calls):
    """Make random hypercalls in a guest with every observer; return what they wrote."""
    generator = random.Random(seed)
    guest = guest_running("sc 1; b -4", memory_size=RAM, vcpus=2, accel="python",
                          areas_on_reset=generator.choice(list(AreasOnReset)))  # fmt: skip
    lines, pieces, recorder = [], [], RunRecorder(guest)
    guest.console.output = recorder.print
    Log(guest, CLASSES, lines.append)
    tracks = Tracks(guest, TraceWriter(pieces.append))
    for _ in range(calls):
        vcpu = guest.next_turn() or guest.warp()
        if vcpu is None or generator.random() < 0.01:
            guest.reset("fuzz")
            continue
        for gpa in (0x2000, 0x3000, 0x5000):
            guest.memory.write(gpa, generator.randbytes(16))
            guest.memory.store_be(gpa + 4, generator.choice((2, 4)), 640)
        words = generator.choice(HARMLESS), *generator.choices((0, 1, 2, 3, 7), k=6)
        guest.memory.write(0x4000, b"".join(word.to_bytes(4, "big") for word in words))
        for register in range(4, 13):
            value = generator.choice((*EDGES, generator.getrandbits(64)))
            vcpu.state.write(GPR, value, register)
        token = generator.choice(TOKENS)
        vcpu.state.write(GPR, token, 3)
        likely = {Hcall.H_RTAS: (0x4000,)}
        if generator.random() < 0.7:
            where = generator.choice((0x2000, 0x3000, 0x5000))
            likely[Hcall.H_REGISTER_VPA] = (generator.randrange(8) << 45, generator.choice((0, 1)),
                                            where)  # fmt: skip
        for register, value in enumerate(likely.get(token, ()), start=4):
            vcpu.state.write(GPR, value, register)
        vcpu.state.write(CIA, ENTRY)
        guest.advance(guest.clock.count + generator.choice((1, 1, 1, 1, 40)))
    tracks.close()
    return recorder.finish(Paused("limit")), lines, pieces, guest


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reports_and_logs_of_any_guest_are_well_formed(seed):
    run, lines, pieces, guest = watched(seed, 250)

    assert ET.fromstring(run_report(run).removeprefix("<!DOCTYPE html>\n")).tag == "html"
    assert max(map(len, run_text(run).splitlines())) <= WIDTH
    assert run.stores == guest.door.count > 100
    assert len(lines) > 50
    assert all("\n" not in line for line in lines)
    assert sum(map(len, pieces)) > 10_000


@pytest.mark.oracle
@pytest.mark.parametrize("seed", [4, 5])
def test_traces_of_any_guest_are_well_formed(seed):
    from tests.perfetto_trace import ReadTrace  # noqa: PLC0415 - for those who want oracles

    _, _, pieces, guest = watched(seed, 250)
    trace = ReadTrace(b"".join(pieces))

    for vcpu in guest.vcpus:
        turns = trace.slices(f"vcpu{vcpu.vcpu_id}")
        assert all(turn.end is not None for turn in turns)
        assert sum(t.end - t.begin for t in turns if t.depth == 0) == guest.clock.count
        times = [event.time for event in trace.on(f"vcpu{vcpu.vcpu_id}")]
        assert times == sorted(times)
