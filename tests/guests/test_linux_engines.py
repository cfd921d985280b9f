"""An unmodified Debian kernel is the same guest on every engine, and every time."""

from hashlib import sha256
from itertools import pairwise

import pytest

from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.outcome import Paused
from tests.guests.linux import QUICK, debian, shell_initramfs

pytestmark = pytest.mark.linux

MILLIONS = 50
"""Instructions that the engines are compared on."""
APART = 5_000_000
"""Instructions between two looks at a whole guest."""
BOOTED = 225_000_000


def a_boot(accel, size=256):
    """A guest about to boot to a shell, whose console nobody reads."""
    kernel = debian()
    config = MachineConfig(
        memory_size=size << 20,
        kernel=File("vmlinux", kernel.vmlinux.read_bytes()),
        initrd=File("initramfs.cpio", shell_initramfs(kernel.busybox)),
        append=QUICK,
        accel=accel,
    )
    guest = boot(config)
    guest.console.output = lambda _: None
    return guest


def digests(budget):
    """Boot natively; return what the registers, and now and then all RAM, were on the way."""
    guest = a_boot("native")
    found = []
    for number in range(budget // APART):
        guest.run(APART)
        found.append(sha256(guest.vcpus[0].state.buffer).hexdigest())
        if number % 10 == 9:
            found.append(sha256(guest.memory.ram).hexdigest())
    return found


def test_the_engines_agree_on_the_first_fifty_million_instructions():
    guest = a_boot("lockstep")

    for _ in range(MILLIONS):
        assert guest.run(1_000_000) == Paused("limit")
    assert guest.clock.icount == MILLIONS * 1_000_000


def test_two_boots_are_the_same_with_nothing_compiled_and_with_all(tmp_path, monkeypatch):
    """The first begins with an empty cache; where regions run, and when, differs each time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    cold, *warm = (digests(BOOTED) for _ in range(3))

    assert all(earlier != later for earlier, later in pairwise(cold))
    assert warm == [cold, cold]
