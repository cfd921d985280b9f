"""Every guest in lock-step: the native engine does what the Python engine does."""

from functools import partial

import pytest

from papvmm.engine.code_marks import CODE_REGION
from papvmm.machine import builder
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.engines import make_engines
from papvmm.machine.outcome import PoweredOff
from papvmm.observe.bench.catalogue import CATALOGUE
from tests.guests.benchmarks import CHECKSUMS
from tests.guests.consoles import AREAS, RUNS, SMP, common
from tests.guests.images import GUESTS, image
from tests.guests.papvmm_run import run_on_papvmm

LOCKSTEP = ("-accel", "lockstep")
UNITS = 8
EVENTS = 2
"""Units of work: a million instructions or so, enough for regions."""
SHORT = {"hcall", "scrfid", "smc", "coldcode"}
OTHERS = {
    "kernel-a": ("--next-kernel", str(image("kernel-b")), "-smp", "2"),
    "hibernate": ("-smp", "2", "-append", "rounds=2"),
    "check-memory": ("-m", "16"),
    "busy": ("-m", "16", "-append", "rounds=2"),
}
"""Guests whose console is not a recorded one."""


@pytest.mark.parametrize(
    "run",
    [AREAS, SMP, *(pytest.param(r, marks=pytest.mark.slow) for r in RUNS if r not in (AREAS, SMP))],
    ids=lambda run: run.guest,
)
def test_a_guest_runs_in_lock_step(run):
    console = run_on_papvmm(image(run.guest), *run.options, *LOCKSTEP)

    assert common(console) == common(run.console)


@pytest.mark.slow
@pytest.mark.parametrize("guest", OTHERS)
def test_a_guest_without_a_recorded_console_runs_in_lock_step(guest):
    console = run_on_papvmm(image(guest), *OTHERS[guest], *LOCKSTEP)

    assert console == run_on_papvmm(image(guest), *OTHERS[guest], "-accel", "python")


def test_every_image_is_run_in_lock_step():
    benchmarks = {"bench-be", "bench-le"}

    assert {path.stem for path in GUESTS} == {run.guest for run in RUNS} | {*OTHERS} | benchmarks


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_benchmark_runs_in_lock_step(name, monkeypatch):
    """The guest waits for its compiler, so that it runs in regions."""
    monkeypatch.setattr(builder, "make_engines", partial(make_engines, waits=True))
    benchmark = CATALOGUE[name]
    units = EVENTS if benchmark.guest in SHORT else UNITS
    config = MachineConfig(
        kernel=File(benchmark.image, image(f"bench-{benchmark.order}").read_bytes()),
        memory_size=32 << 20,
        append=f"{benchmark.guest} n={units}",
        accel="lockstep",
    )
    guest = builder.boot(config)
    said = bytearray()
    guest.console.output = said.extend

    assert guest.run(1 << 40) == PoweredOff()
    assert f"{benchmark.guest}: done" in said.decode()
    assert benchmark.guest in CHECKSUMS
    assert any(mark & CODE_REGION for mark in guest.memory.code[:]) or benchmark.guest in SHORT
