"""The hibernate guest, carried into another machine while it works."""

import pytest

from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import save
from papvmm.machine.builder import build
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.guest import FOREVER, Guest
from papvmm.machine.outcome import PoweredOff
from tests.guests.images import image


def hibernate() -> Guest:
    """Two vcpus, in RAM that is small enough to be saved in no time."""
    kernel = File("hibernate.elf", image("hibernate").read_bytes())
    guest = build(MachineConfig(memory_size=16 << 20, vcpus=2, kernel=kernel))
    guest.boot()
    return guest


def run_to_a_guest_exit(guest: Guest, instructions: int) -> None:
    """A guest is saved while no vcpu is inside."""
    guest.run(instructions)
    guest.heed = True
    while guest.inside is not None:
        guest.advance(FOREVER)
    guest.heed = False


@pytest.mark.parametrize("instructions", [150_000, 300_000])
def test_a_restored_guest_finds_its_log_restarted_and_its_memory_intact(tmp_path, instructions):
    guest = hibernate()
    run_to_a_guest_exit(guest, instructions)
    save(guest, tmp_path / "saved")
    console = bytearray()

    restored = load(tmp_path / "saved")
    restored.console.output = console.extend
    outcome = restored.run(FOREVER)

    lines = console.decode().splitlines()
    assert isinstance(outcome, PoweredOff)
    assert lines.count("hibernate: resumed, log restarted, memory intact") == 1
    assert lines[-1] == "hibernate: 2 of 2 cpus were resumed, memory intact"
