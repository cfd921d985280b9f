"""What each option of ``papvmm run`` makes of the machine."""

from argparse import ArgumentParser

import pytest

from papvmm.cli.run import add_arguments, config_from
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.config import AreasOnReset, OnPanic, OnReboot, OnShutdown


@pytest.fixture
def configured(tmp_path):
    """Return a function from options to the configuration they make."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"kernel")

    def configure(*options):
        parser = ArgumentParser()
        add_arguments(parser)
        return config_from(parser.parse_args([str(kernel), *options]))

    return configure


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ([], "memory_size", 512 << 20),
        (["-m", "64"], "memory_size", 64 << 20),
        (["-m", "size=1G"], "memory_size", 1 << 30),
        (["-m", "128K"], "memory_size", 128 << 10),
        (["-smp", "3"], "vcpus", 3),
        (["-smp", "cpus=4,threads=1"], "vcpus", 4),
        (["-append", "a b"], "append", "a b"),
        (["-machine", "pseries,kernel-addr=0x10000"], "kernel_addr", 0x10000),
        (["-M", "pseries-9.2,cap-cfpc=broken"], "kernel_addr", 0x400000),
        (["-action", "reboot=pause"], "on_reboot", OnReboot.PAUSE),
        (["-action", "reboot=reset,panic=none", "-action", "panic=pause"], "on_panic",
         OnPanic.PAUSE),
        (["-action", "shutdown=pause"], "on_shutdown", OnShutdown.PAUSE),
        (["-no-reboot"], "on_reboot", OnReboot.SHUTDOWN),
        (["-rtc", "base=2006-06-17T16:01:21"], "rtc_base", 1150560081),
        (["-rtc", "base=1970-01-02"], "rtc_base", 86400),
        (["--hv", "kvm-3.7"], "hv", "kvm-3.7"),
        (["--hv-page", "64K"], "hv_page", 65536),
        (["--areas-on-reset", "keep"], "areas_on_reset", AreasOnReset.KEEP),
        (["--reset-dtl-len", "0"], "reset_dtl_len", 0),
        (["--seed", "0x10"], "seed", 16),
        (["-cpu", "POWER9"], "cpu", "power9_v2.2"),
        (["-cpu", "power8_v2.0"], "cpu", "power8_v2.0"),
        (["-cpu", "POWER10"], "cpu", "power10_v2.0"),
        ([], "cpu", "power9_v2.2"),
        (["-accel", "python"], "accel", "python"),
        (["-nodefaults", "-nographic", "-display", "none", "-serial", "none", "-name", "x"],
         "vcpus", 1),
    ],
)  # fmt: skip
def test_an_option_says_one_thing_about_the_machine(configured, options, field, value):
    assert getattr(configured(*options), field) == value


def test_files_are_read_when_the_machine_is_configured(configured, tmp_path):
    for name in ("initrd", "next"):
        (tmp_path / name).write_bytes(name.encode())

    config = configured(
        "-initrd", str(tmp_path / "initrd"), "--next-kernel", str(tmp_path / "next")
    )

    assert config.initrd.data == b"initrd"
    assert [config.kernel_for(generation).data for generation in range(3)] == [
        b"kernel", b"next", b"next",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [["-m", "1T"], ["-smp", "threads=2"], ["-smp", "2,threads=2"], ["-M", "pseries,magic=on"],
     ["-M", "pseries,kernel-addr=0x10002"], ["-M", "pseries,kernel-addr=-4"],
     ["-rtc", "base=tomorrow"], ["-action", "shutdown=reset"], ["--seed", "x"], ["--hv", "xen"],
     ["-cpu", "POWER4"], ["-display", "gtk"], ["-serial", "tcp::1"]],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_a_usage_error(configured, options, capsys):
    with pytest.raises(SystemExit) as ended:
        configured(*options)

    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_a_machine_of_impossible_size_is_refused(configured):
    with pytest.raises(BadUsage, match="a machine has 64 KiB to 64 GiB"):
        configured("-m", "4K")
    with pytest.raises(BadUsage, match="a machine has 1 to 64"):
        configured("-smp", "65")
    with pytest.raises(BadInput, match="No such file"):
        configured("-initrd", "/nowhere")
