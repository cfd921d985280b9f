"""Debian's kernel under gdb-multiarch: addresses from 0xc000000000000000 on, forward and back."""

import pytest

from tests.guests.gdb import values, waiting
from tests.guests.linux import QUICK, debian

pytestmark = [pytest.mark.linux, pytest.mark.oracle]

KERNEL = 0xC << 60
TRANSLATED = 0x30
"""MSR[IR] and MSR[DR]."""


def test_linux_is_stopped_and_goes_back_to_who_wrote_its_command_line(tmp_path):
    kernel = debian().vmlinux
    with waiting(kernel, tmp_path / "gdb", "-append", QUICK, order="little") as guest:
        told = guest.gdb(
            "break *start_kernel+8", "continue", "info registers pc", "bt 2", "x/2i $pc",
            "reverse-stepi", "info registers pc", "break *setup_arch+8", "delete 1", "continue",
            "x/s (char*)&boot_command_line", "watch *(long*)&boot_command_line",
            "reverse-continue", "info registers pc msr", "bt 2", "reverse-continue",
        )  # fmt: skip

    first, before, writer = values(told, "pc")
    assert first > before > KERNEL
    assert "#1  0xc00000000000d990 in start_here_common ()" in told
    assert "<start_kernel+8>:\tmflr" in told
    assert f'<boot_command_line>:\t"{QUICK}"' in told
    assert "\nHardware watchpoint 3: *(long*)&boot_command_line\n\nOld value" in told
    assert writer > KERNEL
    (msr,) = values(told, "msr")
    assert not msr & TRANSLATED
    assert " in strscpy ()\n#1" in told
    assert " in early_init_dt_scan_chosen ()" in told
    assert "No more reverse-execution history." in told
