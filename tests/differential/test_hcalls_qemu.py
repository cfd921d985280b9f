"""Hypercalls and RTAS calls whose answers papvmm and QEMU's pseries must agree on.

Left out are the calls of other tests (the areas, H_CEDE), and where papvmm follows KVM or PAPR
and QEMU doesn't: AIL 2 is refused, H_CONFER always gives an answer, RTAS counts its arguments.
"""

import pytest

from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.outcome import PoweredOff
from tests.guests.qemu import run_on_qemu
from tests.hcall_guest import Call, Rtas, answers, hcall_guest

MIB = 1 << 20
M64 = (1 << 64) - 1
DESTINATION, SOURCE = 0x450000, 0x451000
ARGUMENTS = (0x11, 0x22, 0x33, 0x44, 0x55, 0x66)

SET_MODE = [
    Call(0x31C, args)
    for args in (
        (1, 4, 0, 0), (0, 4, 0, 0), (2, 4, 0, 0), (M64, 4, 0, 0), (1, 4, 1, 0), (1, 4, 0, 1),
        (3, 3, 0, 0), (0, 3, 0, 0), (1, 3, 0, 0), (3, 3, 1, 0), (3, 3, 0, 9), (0, 1, 0x1000, 0),
        (0, 2, 0x1000, 0), (0, 0, 0, 0), (0, 7, 0, 0), (0, M64, 0, 0),
    )
]  # fmt: skip
PAGE_INIT = [
    Call(0x2C, args)
    for args in (
        (1 << 15, DESTINATION, 0), (1 << 14, DESTINATION, SOURCE), (3 << 14, DESTINATION, SOURCE),
        (0, DESTINATION, 0), (3 << 22, DESTINATION, 0), (1, DESTINATION, 0),
        (1 << 15, DESTINATION + 8, 0), (1 << 14, DESTINATION, SOURCE + 2048),
        (1 << 15, 1 << 40, 0), (1 << 14, DESTINATION, 1 << 40), (1 << 15, DESTINATION, 77),
    )
]  # fmt: skip
TERMINAL = [
    Call(0x58, (0, 17, 0, 0)),
    Call(0x58, (1, 1, 0, 0)),
    Call(0x58, (0, 0, 0, 0)),
    Call(0x54, (0, 0x22, 0x33)),
    Call(0x54, (7, 0x22, 0x33)),
]
OTHERS = [
    Call(0x5FC, ARGUMENTS),
    Call(0xF0F0, ARGUMENTS),
    Call(0x28, (0x1000, 0, 0)),
    Call(0x24, (0x1234, 0x22, 0x33)),
    Call(0xE8, (0, 0x22, 0x33)),
    Call(0xE8, (99, 0x22, 0x33)),
    Call(0xE4, (99, 0, 0x33)),
]
RTAS = [
    Rtas((0x2FFF, 0, 1, 0x77)),
    Rtas((0x20FF, 1, 2, 0x11, 0x77, 0x78)),
    Rtas((0x2005, 1, 2, 0, 0x77, 0x78)),
    Rtas((0x2005, 1, 2, 99, 0x77, 0x78)),
    Rtas((0x2006, 3, 1, 0, 0x400000, 0, 0x77)),
    Rtas((0x2006, 3, 1, 99, 0x400000, 0, 0x77)),
    Rtas((0x2002, 7, 1, 2006, 6, 17, 12, 0, 0, 0, 0x77)),
]


def on_papvmm(elf: bytes) -> str:
    guest = boot(MachineConfig(memory_size=64 * MIB, kernel=File("hcalls.elf", elf)))
    said = bytearray()
    guest.console.output = said.extend
    outcome = None
    while outcome is None:
        assert guest.next_turn()
        outcome = guest.advance(guest.clock.count + 1_000_000)
    assert outcome == PoweredOff()
    return said.decode("ascii")


@pytest.mark.oracle
@pytest.mark.parametrize(
    "calls",
    [SET_MODE, PAGE_INIT, TERMINAL, OTHERS, RTAS],
    ids=["set-mode", "page-init", "terminal", "others", "rtas"],
)
def test_qemu_gives_the_same_answers(calls, tmp_path):
    elf = hcall_guest(calls)
    image = tmp_path / "hcalls.elf"
    image.write_bytes(elf)

    ours = answers(on_papvmm(elf))

    assert list(zip(calls, ours, strict=True)) == list(
        zip(calls, answers(run_on_qemu(image, "-m", "256")), strict=True)
    )
