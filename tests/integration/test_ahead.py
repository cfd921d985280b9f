"""Guests before there is an event loop, and what the loop finds."""

import os
import signal
import subprocess
import time

import pytest

from papvmm.machine.ahead import run_ahead
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import NoProgress, PoweredOff
from papvmm.papr.hcall import Hcall
from papvmm.trace.events import HcallDone, HvWrite, VcpuEntered, VcpuLeft
from tests.guest_programs import FOREVER, guest_running, hcall
from tests.shell import IMAGES, PAPVMM, papvmm

BUSY = (IMAGES / "hibernate.elf", "-m", 16, "-append", "rounds=100000000")


def never():
    return False


def traced(name, **config):
    """Return a guest, and the list that its trace and console go to."""
    kernel = File(name, IMAGES.joinpath(name).read_bytes())
    guest = boot(MachineConfig(memory_size=16 << 20, kernel=kernel, **config))
    seen = []
    for kind in (VcpuEntered, VcpuLeft, HcallDone, HvWrite):
        guest.door.tracer.subscribe(kind, seen.append)
    guest.console.output = seen.append
    return guest, seen


async def looped(guest):
    async with Machine(guest) as machine:
        machine.resume()
        return await machine.rest()


@pytest.mark.parametrize("exits", [1, 2, 37, 150])
async def test_a_guest_can_not_tell_when_the_loop_took_over(exits):
    guest, seen = traced("smp.elf", vcpus=3, slice_counts=1_009)
    whole, expected = traced("smp.elf", vcpus=3, slice_counts=1_009)
    left = []

    def call_the_loop(exit_):
        left.append(exit_)
        guest.heed = len(left) == exits

    guest.door.tracer.subscribe(VcpuLeft, call_the_loop)
    ahead = run_ahead(guest, never, pace=Pace.NEVER)
    guest.heed = False

    assert (ahead, len(left)) == (None, exits)
    assert await looped(guest) == await looped(whole) == PoweredOff()
    assert seen == expected


def test_a_guest_that_nothing_can_wake_is_no_progress():
    guest = guest_running(hcall(Hcall.H_CEDE))
    guest.vcpus[0].stop()
    guest.scheduler.clear()

    assert run_ahead(guest, never, pace=Pace.NEVER) == NoProgress()


def test_idle_time_waits_for_the_loop_if_it_is_paced():
    guest = guest_running(f"lis 5,0x187; mtspr 22,5; {hcall(Hcall.H_CEDE)}; {FOREVER}")

    assert run_ahead(guest, never, pace=Pace.IDLE) is None
    assert guest.clock.icount == guest.clock.count == 4


def test_a_guest_whose_output_is_full_stops_at_that_hypercall():
    guest, seen = traced("hello-be.elf")

    def fill(characters):
        seen.append(characters)
        guest.heed = True

    guest.console.output = fill

    assert run_ahead(guest, never, pace=Pace.NEVER) is None
    assert len([one for one in seen if isinstance(one, bytes)]) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stdin", ["nothing", "a pipe"])
def test_a_signal_ends_a_guest_with_a_loop_and_without(sent, stdin):
    """A pipe with something to read is what the event loop is started for."""
    reader, writer = os.pipe()
    os.write(writer, b"x")
    process = subprocess.Popen(
        (*PAPVMM, "run", *map(str, BUSY)),
        stdin=subprocess.DEVNULL if stdin == "nothing" else reader,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    time.sleep(0.5)
    begun = time.monotonic()
    process.send_signal(sent)
    _, said = process.communicate(timeout=10)
    os.close(reader)
    os.close(writer)

    assert process.returncode == 128 + sent
    assert b"Traceback" not in said
    assert time.monotonic() - begun < 2


def test_a_terminal_is_as_it_was_after_a_run_without_a_loop():
    ours, theirs = os.openpty()
    before = subprocess.check_output(("stty", "-a"), stdin=theirs)

    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, stdin=theirs)
    after = subprocess.check_output(("stty", "-a"), stdin=theirs)
    os.close(ours)
    os.close(theirs)

    assert (done.returncode, after) == (0, before)


def test_a_key_typed_at_a_busy_guest_is_heeded():
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        (*PAPVMM, "run", *map(str, BUSY)), stdin=theirs, stdout=subprocess.PIPE
    )
    process.stdout.readline()

    os.write(ours, b"\x01x")

    assert process.wait(timeout=10) == 0
    process.communicate()
    os.close(ours)
    os.close(theirs)


def test_input_from_a_file_is_there_from_the_beginning():
    with open(__file__, "rb") as file:
        done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, stdin=file)

    assert done.returncode == 0
