"""Guests to save: where they can be saved, and what of two guests must be the same."""

from importlib.resources import files

from papvmm.isa.state import CELLS
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig

FOREVER = 1 << 40
PAGE = 4096


def booted(image, *, memory_size=8 << 20, **config):
    """Return a guest of papvmm's own that is about to start, and what it is going to say."""
    data = files("papvmm").joinpath("images", image).read_bytes()
    guest = boot(MachineConfig(memory_size=memory_size, kernel=File(image, data), **config))
    return guest, listened_to(guest)


def listened_to(guest):
    said = bytearray()
    guest.console.output = said.extend
    return said


def run_to_exit(guest, icount):
    """Run a guest on to its first exit after ``icount`` instructions; nothing may end it."""
    while (left := icount - guest.clock.icount) > 0 or guest.inside is not None:
        assert guest.next_turn() or guest.warp()
        until = guest.clock.count + (left if left > 0 else FOREVER)
        guest.heed = left <= 0
        assert guest.advance(until) is None
    guest.heed = False


def registers(guest):
    """Return every register of every vcpu, by vcpu and name."""
    return {
        (vcpu.vcpu_id, cell.name): [vcpu.state.read(cell, index) for index in range(cell.count)]
        for vcpu in guest.vcpus
        for cell in CELLS.values()
    }


def changed(one, other):
    """Return the addresses of the doublewords of RAM in which two guests differ."""
    pages = [gpa for gpa in range(0, one.memory.size, PAGE) if page(one, gpa) != page(other, gpa)]
    return {
        gpa + offset
        for gpa in pages
        for offset in range(0, PAGE, 8)
        if page(one, gpa)[offset : offset + 8] != page(other, gpa)[offset : offset + 8]
    }


def page(guest, gpa):
    return guest.memory.read(gpa, PAGE)
