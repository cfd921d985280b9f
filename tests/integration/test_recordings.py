"""Recordings: a run can be done again, and where it is not the same that is said."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from papvmm.control.recording.directory import record, recorded
from papvmm.control.recording.frames import MAGIC, Kind, frame, frames
from papvmm.control.recording.notes import calls_payload, read_calls, read_end
from papvmm.control.recording.recorded import Replay
from papvmm.errors import BadInput
from papvmm.isa.state import GPR
from papvmm.kvmapi.one_reg import register_id
from papvmm.kvmapi.registers import OneRegError
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.guest import FOREVER
from papvmm.machine.history import RECORDED, History
from papvmm.machine.inputs import Keys, Memory, OneReg, Registers, Reset, SystemReset, Warp
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import Paused, PoweredOff
from papvmm.machine.player import Diverged
from papvmm.machine.state import digest_of
from tests.elves import Elf, Load
from tests.guest_programs import guest_running
from tests.programs import image
from tests.saved import listened_to

IMAGES = Path(__file__).resolve().parents[2] / "papvmm" / "images"


def papvmm(*arguments, keys=b"", code=0):
    done = subprocess.run(
        [sys.executable, "-m", "papvmm", *map(str, arguments)],
        input=keys, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr.decode()


def program(text):
    return Elf([Load(0x10000, image(text, at=0x10000))]).build()


def smp(tmp_path, **config):
    """Record smp.elf, and return the directory, what it said, and its digest at the end."""
    data = (IMAGES / "smp.elf").read_bytes()
    config = {"memory_size": 8 << 20, "vcpus": 2, "kernel": File("smp.elf", data)} | config
    guest = boot(MachineConfig(**config))
    said = listened_to(guest)
    recorder = record(guest, tmp_path / "recording")
    recorder.finish(guest.run(FOREVER))
    return tmp_path / "recording", said, digest_of(guest)


@pytest.mark.parametrize("accel", ["python", "native"])
def test_a_recording_made_by_one_engine_is_the_same_on_each(tmp_path, accel):
    directory, said, digest = smp(tmp_path, accel="native")
    guest, log = recorded(directory, accel)
    said_again = listened_to(guest)

    assert Replay(guest, log).run(FOREVER) == PoweredOff()

    assert said_again == said
    assert digest_of(guest) == digest


def test_every_kind_of_input_comes_again(tmp_path):
    data = (IMAGES / "smp.elf").read_bytes()
    guest = boot(MachineConfig(memory_size=8 << 20, vcpus=2, kernel=File("smp.elf", data)))
    recorder = record(guest, tmp_path / "recording")
    for given in (
        Keys(b"abc"),
        Registers(0, ((GPR.at(30), bytes(range(8))), (GPR.at(29), b"\1"))),
        Memory(0x7000, b"poke"),
        OneReg(0, register_id("PSSCR"), (0,)),
        Warp(1 << 20),
        SystemReset(0),
        Reset("test"),
        Warp(1 << 30),
    ):
        guest.run(3_000)
        guest.take(given)
    recorder.finish(guest.run(FOREVER))
    digest = digest_of(guest)
    again, log = recorded(tmp_path / "recording", "python")

    Replay(again, log).run(FOREVER)

    assert digest_of(again) == digest


def test_what_was_refused_is_refused_again(tmp_path):
    data = (IMAGES / "smp.elf").read_bytes()
    guest = boot(MachineConfig(memory_size=8 << 20, vcpus=2, kernel=File("smp.elf", data)))
    recorder = record(guest, tmp_path / "recording")
    with pytest.raises(OneRegError):
        guest.take(OneReg(0, 0, (1,)))
    recorder.finish(guest.run(FOREVER))
    again, log = recorded(tmp_path / "recording", "python")

    assert Replay(again, log).run(FOREVER) == PoweredOff()


def test_the_run_can_be_left_in_the_middle(tmp_path):
    directory, _, _ = smp(tmp_path)
    guest, log = recorded(directory, "python")

    assert Replay(guest, log).run(20_000) is None

    assert guest.clock.icount == 20_000


def reframed(directory, change):
    """Change the payloads of a recording's log."""
    log = (directory / "log").read_bytes()
    changed = [frame(kind, change(kind, payload)) for kind, payload in frames(log)]
    (directory / "log").write_bytes(MAGIC + b"".join(changed))


def test_a_hypercall_that_was_another_is_named(tmp_path):
    directory, _, _ = smp(tmp_path)
    icounts = []

    def change(kind, payload):
        if kind is not Kind.CALLS:
            return payload
        calls = read_calls(payload)
        at = next(number for number, call in enumerate(calls) if call.name == "H_PROD")
        icounts.append(calls[at].icount)
        calls[at] = calls[at]._replace(name="H_CEDE")
        return calls_payload(calls)

    reframed(directory, change)

    _, told = papvmm("replay", directory, "-accel", "python", code=1)

    assert f"replay diverged @ {icounts[0]:,}: log says H_CEDE, guest did H_PROD" in told


def test_another_answer_is_noticed_and_another_state_too(tmp_path):
    directory, _, _ = smp(tmp_path)
    manifest = (directory / "manifest.json").read_text()
    (directory / "manifest.json").write_text(manifest.replace('"seed": 1', '"seed": 2'))
    guest, log = recorded(directory, "python")

    with pytest.raises(Diverged, match=r"replay diverged @ [\d,]+: "):
        Replay(guest, log).run(FOREVER)


def test_a_run_that_was_killed_can_be_replayed_as_far_as_it_was_written(tmp_path):
    directory = tmp_path / "recording"
    forever = tmp_path / "forever.elf"
    forever.write_bytes(program("li 3,0x54; li 4,0; sc 1; add 20,20,4; b -16"))
    command = [sys.executable, "-m", "papvmm", "record", "-o", directory, forever, "-m", "16"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"keys")
        process.stdin.flush()
        while not any(kind is Kind.INPUT for kind, _ in whole(directory)):
            os.sched_yield()
        process.send_signal(signal.SIGKILL)

    _, told = papvmm("replay", directory)

    assert "breaks off @ " in told
    assert "its run was killed" in told


def whole(directory):
    log = directory / "log"
    return list(frames(log.read_bytes())) if log.exists() else []


def test_host_time_comes_again(tmp_path):
    directory = tmp_path / "recording"
    said, _ = papvmm(
        "record", "-o", directory, IMAGES / "hello-le.elf", "--clock", "host", "-m", 16
    )

    said_again, _ = papvmm("replay", directory, "-accel", "python")

    assert said_again == said
    assert sum(kind is Kind.INPUT for kind, _ in whole(directory)) > 1


def test_what_ended_a_run_from_outside_ends_its_replay(tmp_path):
    directory = tmp_path / "recording"
    forever = tmp_path / "forever.elf"
    forever.write_bytes(program("b ."))
    _, told = papvmm("record", "-o", directory, forever, "-m", 16, "--timeout", 0.2, code=124)

    _, told_again = papvmm("replay", directory, code=124)

    assert told_again.splitlines()[-1] == told.splitlines()[-1]
    *_, (kind, payload) = whole(directory)
    assert kind is Kind.END
    assert read_end(payload).why == "timeout"


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")

    _, told = papvmm("record", "-o", tmp_path, IMAGES / "hello-le.elf", code=65)

    assert "is not empty: choose another directory" in told
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "damage", "why"),
    [
        ("log", lambda data: data[:30] + b"\0" + data[31:], "log is damaged at byte"),
        ("log", lambda data: b"x" + data, "does not begin like one"),
        ("kernel", lambda data: data[:-1], "kernel is damaged"),
        ("manifest.json", lambda data: data[:-9], "manifest.json is damaged"),
        ("manifest.json", lambda data: data.replace(b'"schema": 1', b'"schema": 9'), "schema 9"),
    ],
)
def test_damage_is_told_in_a_line(tmp_path, name, damage, why):
    directory, _, _ = smp(tmp_path)
    file = directory / name
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(BadInput, match=why):
        recorded(directory, "python")


async def test_a_machine_goes_forth_and_back_in_a_recording_up_to_its_end(tmp_path):
    directory, said, digest = smp(tmp_path)
    guest, log = recorded(directory, "python")
    said_again = listened_to(guest)
    past = History(guest, log.tape, log.brink)
    past.seek(20_000)
    async with Machine(guest) as machine:
        machine.resume()
        assert await machine.rest() == Paused(RECORDED)
        assert guest.clock.icount == log.end.position.icount - 1
        past.seek(5_000)
        machine.resume(limit=1_000)
        await machine.rest()
        assert guest.clock.icount == 6_000
        machine.resume()
        await machine.rest()
        machine.resume()
        assert await machine.end() == PoweredOff()

    assert said_again == said
    assert digest_of(guest) == digest


async def test_keys_come_again_while_a_machine_runs_on_from_the_past():
    guest = guest_running("li 3,0x54; li 4,0; sc 1; add 20,20,4; b -16")
    past = History(guest)
    async with Machine(guest) as machine:
        for keys in (b"a", b"bc", b"def"):
            machine.resume(limit=1_000)
            await machine.rest()
            machine.feed(keys)
        machine.resume(limit=1_000)
        await machine.rest()
        end, read = past.position, guest.vcpus[0].state.read(GPR, 20)
        past.seek(500)
        assert guest.vcpus[0].state.read(GPR, 20) == 0
        machine.resume(limit=3_500)
        await machine.rest()

    assert past.position == end
    assert guest.vcpus[0].state.read(GPR, 20) == read == 6


@pytest.mark.oracle
def test_gdb_goes_back_in_a_recording(tmp_path):
    directory, _, _ = smp(tmp_path)
    command = [sys.executable, "-m", "papvmm", "replay", directory, "--until", "20000"]
    gdb = [
        "gdb-multiarch", "-nx", "-batch", "-ex", "set endian big",
        "-ex", f"target remote {tmp_path}/gdb", "-ex", "reverse-stepi", "-ex", "stepi",
        "-ex", "reverse-continue", "-ex", "kill",
    ]  # fmt: skip
    with subprocess.Popen(
        [*command, "-gdb", f"unix:{tmp_path}/gdb"], stderr=subprocess.PIPE, text=True
    ) as process:
        while "gdb-multiarch" not in process.stderr.readline():
            pass
        told = subprocess.run(gdb, capture_output=True, text=True, check=False).stdout

    assert "No more reverse-execution history" in told
    assert process.returncode is not None
