"""QEMU's command lines, as kvm-unit-tests' runner and others write them."""

import pytest

from papvmm.cli.qemu_shim import answer_to, translated
from papvmm.errors import BadUsage


def test_the_line_of_kvm_unit_tests_runs_the_guest(tmp_path):
    kernel = tmp_path / "spapr_vpa.elf"
    kernel.touch()
    line = (
        "-nodefaults -accel tcg,thread=single -machine pseries,cap-ccf-assist=off -bios rom.bin"
        f" -display none -serial stdio -kernel {kernel} -smp 2 -m 1g -icount shift=5 -initrd env"
    )

    assert (
        translated(line.split())
        == (
            "run -nodefaults -machine pseries,cap-ccf-assist=off -display none -serial stdio"
            f" -kernel {kernel} -smp 2 -m 1g -initrd env"
        ).split()
    )


def test_two_dashes_are_one(tmp_path):
    assert translated(["--append", "-v x", "--no-reboot"]) == [
        *("run", "--clock", "host"),
        "-append=-v x",
        "-no-reboot",
    ]


def test_a_value_that_looks_like_an_option_is_none():
    assert translated(["-append", "-w"])[3:] == ["-append=-w"]


def test_a_debugger_connects_as_to_qemu():
    line = "-s -S -gdb tcp::9000,server=on,wait=off"

    assert translated(line.split()) == ["run", "--clock", "host", *line.split()]


def test_a_control_monitor_on_a_socket_is_qmp():
    line = "-chardev socket,id=mon,path=/tmp/s,server=on,wait=off -mon chardev=mon,mode=control"

    assert translated(line.split()) == [
        "run",
        "--clock",
        "host",
        "-qmp",
        "unix:/tmp/s,server=on,wait=off",
    ]


def test_a_monitor_for_people_is_one_on_a_socket():
    assert translated(["-monitor", "none"]) == translated([])
    assert translated(["-monitor", "unix:/tmp/m,server,nowait"])[-2:] == [
        "-monitor", "unix:/tmp/m,server,nowait",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-accel kvm", "invalid accelerator kvm"),
        ("-device e1000", "-device e1000: not supported"),
        ("disk.img", "disk images are not supported"),
        ("-kernel _NO_FILE_4Uhere_", "could not load kernel '_NO_FILE_4Uhere_'"),
        ("-kernel", "requires an argument"),
        ("-kernel _NO_FILE_4Uhere_ -smp 8,threads=4", "-smp 8,threads=4: vcpus have one thread"),
    ],
)
def test_what_papvmm_does_not_do_is_refused_in_qemus_words(line, why):
    with pytest.raises(BadUsage, match=why):
        translated(line.split())


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("-h", "QEMU"),
        ("--help", "QEMU"),
        ("-machine ?", "pseries"),
        ("-M help", "pseries"),
        ("--cpu help", "power8_v2.0      PVR 004d0200"),
        ("-cpu ?", "alias for power9_v"),
    ],
)
def test_harnesses_find_a_qemu_with_a_pseries_machine(line, word):
    answer = answer_to(line.split())

    assert answer is not None
    assert word in answer


def test_a_run_is_no_question():
    assert answer_to(["-machine", "pseries", "-append", "?"]) is None
