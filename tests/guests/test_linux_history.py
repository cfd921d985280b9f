"""Linux is put back in time, with radix trees and with a hashed page table, and boots again."""

import pytest

from papvmm.machine.ahead import run_ahead
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.history import History
from papvmm.machine.host_clock import Pace
from papvmm.machine.state import digest_of
from tests.guests.linux import QUICK, debian

pytestmark = pytest.mark.linux

EARLY, LATE = 40_000_000, 70_000_000
"""Instructions: translation is on, and much of the kernel initialised."""


def run(guest, icount):
    assert run_ahead(guest, lambda: guest.clock.icount >= icount, pace=Pace.NEVER) is None


@pytest.mark.parametrize("argument", ["", "disable_radix"])
def test_linux_does_again_what_it_did(argument):
    kernel = debian().vmlinux
    file = File(kernel.name, kernel.read_bytes())
    guest = boot(MachineConfig(kernel=file, append=f"{QUICK} {argument}"))
    past = History(guest)
    run(guest, EARLY)
    early, there = past.position, digest_of(guest)
    run(guest, LATE)
    late, here = past.position, digest_of(guest)

    past.seek(early)
    assert digest_of(guest) == there
    past.seek(late)
    assert digest_of(guest) == here
    for back in range(1, 4):
        assert past.step_back(guest.vcpus[0])
        assert guest.clock.icount == late.icount - back
    past.seek(late)
    assert digest_of(guest) == here
    assert guest.hash_table.is_empty is not (argument == "disable_radix")
