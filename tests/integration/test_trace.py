"""Perfetto traces, read back with Perfetto's own protocol buffers."""

import signal
from itertools import pairwise

import pytest

from papvmm.bits import M64
from papvmm.machine.builder import boot
from papvmm.machine.history import History
from papvmm.observe.demonstrations import reboot
from papvmm.observe.perfetto import MOST_NAMES, Hex, TraceWriter
from papvmm.observe.tracks import Tracks
from papvmm.trace.events import HcallDone, MachineReset, VcpuEntered
from tests.guest_programs import guest_running, hcall
from tests.shell import IMAGES, papvmm, running

H_CEDE = 0xE0
REBOOT = ("-m", 16, "-smp", 2, "--areas-on-reset", "keep",
          "--next-kernel", IMAGES / "kernel-b.elf", IMAGES / "kernel-a.elf")  # fmt: skip

pytestmark = pytest.mark.oracle


def read(data):
    from tests.perfetto_trace import ReadTrace  # noqa: PLC0415 - for those who want oracles

    return ReadTrace(data)


class Traced:
    """A guest that was run to its end, its trace, and the events another listener heard."""

    def __init__(self, guest, limit=20_000_000):
        self.guest, self.pieces, self.heard = guest, [], []
        for kind in (HcallDone, VcpuEntered, MachineReset):
            guest.door.tracer.subscribe(kind, self.heard.append)
        tracks = Tracks(guest, TraceWriter(self.pieces.append))
        guest.run(limit)
        tracks.close()
        self.trace = read(b"".join(self.pieces))

    def of(self, kind):
        return [event for event in self.heard if type(event) is kind]


@pytest.fixture(scope="module")
def rebooted():
    return Traced(boot(reboot().harmed.config))


def turns_of(traced):
    """The outermost slices of each vcpu's track."""
    return [
        [s for s in traced.trace.slices(f"vcpu{vcpu.vcpu_id}") if s.depth == 0]
        for vcpu in traced.guest.vcpus
    ]


def test_a_vcpu_does_one_thing_after_the_other_from_beginning_to_end(rebooted):
    for turns in turns_of(rebooted):
        assert turns[0].begin == 0
        assert turns[-1].end == rebooted.guest.clock.count
        assert all(before.end == after.begin for before, after in pairwise(turns))
        assert {turn.name for turn in turns} >= {"running", "stopped"}


def test_one_vcpu_runs_at_a_time_and_together_they_run_all_instructions(rebooted):
    running = sorted(
        (turn.begin, turn.end)
        for turns in turns_of(rebooted)
        for turn in turns
        if turn.name == "running"
    )
    assert all(before[1] <= after[0] for before, after in pairwise(running))
    assert sum(end - begin for begin, end in running) == rebooted.guest.clock.icount


def test_a_ceded_vcpu_waits_for_its_decrementer_and_a_preempted_one_for_its_turn():
    decrementer = "li 9,512; mtspr 22,9"
    ceding = f"{decrementer}; {hcall(H_CEDE)}; {hcall(H_CEDE)}"
    traced = Traced(guest_running(ceding), 2000)
    (turns,) = turns_of(traced)
    waits = [turn for turn in turns if turn.name == "ceded"]
    assert 990 <= waits[0].end - waits[0].begin <= 1000
    assert {turn.name for turn in turns} == {"preempted", "running", "ceded"}


def test_hypercalls_are_within_turns_with_names_arguments_and_status(rebooted):
    slices = [
        s for turns in ("vcpu0", "vcpu1") for s in rebooted.trace.slices(turns) if s.depth == 1
    ]
    done = rebooted.of(HcallDone)
    assert sorted(s.name for s in slices) == sorted(event.name for event in done)
    registered = [s for s in slices if s.name == "H_REGISTER_VPA"]
    told = [
        (event.args[0], event.args[1], event.args[2])
        for event in done
        if event.name == "H_REGISTER_VPA"
    ]
    assert sorted((s.args["flags"], s.args["vcpu"], s.args["gpa"]) for s in registered) == sorted(
        told
    )
    assert {s.args["status"] for s in registered} == {"H_SUCCESS"}


def test_rtas_calls_are_within_their_hypercall(rebooted):
    inner = [s for s in rebooted.trace.slices("vcpu0") if s.depth == 2]
    assert {"rtas start-cpu", "rtas system-reboot", "rtas power-off"} <= {s.name for s in inner}
    calls = {s.begin for s in rebooted.trace.slices("vcpu0") if s.name == "H_RTAS"}
    assert {s.begin for s in inner} == calls


def test_every_guest_entry_is_there(rebooted):
    entries = [
        (event.time, event.args["cia"])
        for name in ("vcpu0", "vcpu1")
        for event in rebooted.trace.on(name)
        if event.name == "guest entry"
    ]
    assert len(entries) == len(rebooted.of(VcpuEntered))
    assert {cia for _, cia in entries} == {event.cia for event in rebooted.of(VcpuEntered)}


def stores(traced):
    names = [f"vcpu{vcpu.vcpu_id} hypervisor writes" for vcpu in traced.guest.vcpus]
    return sorted(
        (event for name in names for event in traced.trace.on(name)), key=lambda event: event.time
    )


def test_every_store_of_the_hypervisor_is_there_with_its_provenance(rebooted):
    told = sorted(
        (s.args["gpa"], s.args["actor"], s.args.get("registration", 0), s.args.get("stale", False))
        for s in stores(rebooted)
    )
    known = sorted(
        (w.gpa, w.actor, w.registration.number if w.registration else 0, w.is_stale)
        for w in rebooted.guest.door.writes
    )
    assert told == known
    assert any(stale for *_, stale in told)
    assert all(s.name.startswith("STALE ") == s.args.get("stale", False) for s in stores(rebooted))


def test_old_and_new_values_follow_each_other(rebooted):
    counts = [s for s in stores(rebooted) if s.name.endswith("lppaca.yield_count")]
    first = [s for s in counts if s.args["area"] == "VPA of vcpu0" and not s.args["stale"]]
    assert [s.args["new"] for s in first[:-1]] == [s.args["old"] for s in first[1:]]
    assert [c.value for c in rebooted.trace.on("vcpu0 yield count")][: len(first)] == [
        s.args["new"] for s in first
    ]


def test_a_flow_leads_from_each_registration_to_each_store_made_for_it(rebooted):
    begun = {}
    for name in ("vcpu0 area registrations", "vcpu1 area registrations"):
        for event in rebooted.trace.on(name):
            begun |= dict.fromkeys(event.flows, event.time)
    assert len(begun) == 6
    for store in stores(rebooted):
        assert store.flows == ((store.args["registration"],) if "stale" in store.args else ())
        assert all(begun[flow] <= store.time for flow in store.flows)


def test_a_flow_ends_where_its_area_is_unregistered():
    traced = Traced(boot(reboot().cured.config))
    ends = [
        (event.name, last)
        for name in ("vcpu0 area registrations", "vcpu1 area registrations")
        for event in traced.trace.on(name)
        for last in event.last
    ]
    assert sorted(last for _, last in ends) == [1, 2, 3, 4, 5, 6]
    assert {name.split()[0] for name, _ in ends} == {"unregister"}


def test_the_machine_track_tells_of_kernels_and_resets(rebooted):
    (reset,) = rebooted.of(MachineReset)
    slices = rebooted.trace.slices("machine")
    assert [s.name for s in slices] == ["kernel-a.elf", "kernel-b.elf"]
    (told,) = [event for event in rebooted.trace.on("machine") if event.name == "reset"]
    assert told.args == {"reason": reset.reason, "areas": "keep", "generation": 1}
    assert slices[0].end == told.time == slices[1].begin


def test_a_trace_is_whole_wherever_it_ends(rebooted):
    assert len(rebooted.pieces) > 3
    whole = 0
    for end in range(1, len(rebooted.pieces)):
        so_far = read(b"".join(rebooted.pieces[:end]))
        assert len(so_far.events) > whole
        whole = len(so_far.events)


def test_a_killed_run_leaves_a_trace(tmp_path):
    path = tmp_path / "killed.pftrace"
    guest = running(IMAGES / "hibernate.elf", "-m", 16, "-append", "rounds=0", "--trace", path)
    for _ in range(200):
        guest.stdout.readline()
    guest.send_signal(signal.SIGKILL)
    guest.communicate()
    assert "vcpu0" in {d.name for d in read(path.read_bytes()).tracks.values()}


def test_trace_and_run_write_the_same_trace_which_is_the_same_every_time(tmp_path, rebooted):
    one, other = tmp_path / "one.pftrace", tmp_path / "other.pftrace"
    assert papvmm("trace", "-o", one, *REBOOT).returncode == 0
    assert papvmm("run", "--trace", other, *REBOOT).returncode == 0
    assert one.read_bytes() == other.read_bytes()
    assert len(read(one.read_bytes()).events) == len(rebooted.trace.events)


def test_what_happens_again_after_going_back_in_time_is_there_once(rebooted):
    guest, pieces = boot(reboot().harmed.config), []
    history = History(guest)
    tracks = Tracks(guest, TraceWriter(pieces.append))
    guest.run(20_000)
    history.seek(15_000)
    guest.run(10_000)
    tracks.close()
    trace, whole = read(b"".join(pieces)), rebooted.trace

    for name in ("vcpu0", "vcpu1"):
        times = [event.time for event in trace.on(name)]
        assert times == sorted(times)
        before = [s[1:3] for s in whole.slices(name) if s.depth == 1 and s.begin < 15_000]
        assert [s[1:3] for s in trace.slices(name) if s.depth == 1][: len(before)] == before
        hypercalls = [s for s in trace.slices(name) if s.depth == 1]
        assert len({(s.begin, s.name) for s in hypercalls}) == len(hypercalls)


def test_numbers_and_texts_of_any_size_are_read_as_they_were_written():
    values = {"zero": 0, "one": 127, "two": 128, "most": M64 >> 1, "least": -1, "text": "¾" * 200}
    pieces = []
    writer = TraceWriter(pieces.append)
    track = writer.track("numbers")
    pointers = {f"pointer {bits}": Hex((1 << bits) - 1) for bits in range(65)}
    writer.instant(track, M64 >> 1, "all", writer.details(values | pointers))
    writer.flush()
    (event,) = read(b"".join(pieces)).events
    assert event.time == M64 >> 1
    assert event.args == values | {name: int(value) for name, value in pointers.items()}


def test_more_names_than_are_kept_are_written_out():
    pieces = []
    writer = TraceWriter(pieces.append)
    track = writer.track("names")
    wanted = [f"name {number}" for number in range(MOST_NAMES + 3)]
    for name in wanted:
        writer.instant(track, 0, name)
    writer.flush()
    assert [event.name for event in read(b"".join(pieces)).events] == wanted
