"""``-d``: what the log says, compared with what happened, on every engine."""

import re
from argparse import Namespace
from functools import cache

import pytest

from papvmm.cli.log_option import logged
from papvmm.isa.disasm import disassemble
from papvmm.isa.state import GPR
from papvmm.machine.builder import boot
from papvmm.machine.missing import Missing
from papvmm.observe.demonstrations import image, reboot
from papvmm.observe.instructions import narrate
from papvmm.observe.log import CLASSES, Log
from papvmm.trace.events import HcallDone
from tests.guest_programs import ENTRY, guest_running, hcall, place
from tests.shell import IMAGES, papvmm

EVENTS = [name for name in CLASSES if name not in ("in_asm", "exec", "cpu", "unimp")]
TRAPPING = "li 3,7; trap; addi 3,3,1; b 0"
"""The handler, at 0x700, goes on after the trap."""
HANDLER = "mfspr 9,26; addi 9,9,4; mtspr 26,9; rfid"


@cache
def log_of_reboot():
    """The log of the reboot demonstration, and the hypercalls another listener heard of."""
    guest = boot(reboot().harmed.config)
    lines, heard = [], []
    Log(guest, EVENTS, lines.append)
    guest.door.tracer.subscribe(HcallDone, heard.append)
    guest.run(20_000_000)
    return guest, lines, heard


def of(class_, lines):
    return [line.removeprefix(f"{class_}: ") for line in lines if line.startswith(f"{class_}: ")]


def test_every_hypercall_is_logged_with_its_arguments_and_its_answer():
    _, lines, heard = log_of_reboot()
    said = [line for line in of("hcall", lines) if " rtas " not in line]

    assert len(said) == len(heard)
    assert said[0].startswith(f"vcpu0 @{heard[0].icount:,} {heard[0].name}(unit=0x0, length=0x10, ")
    assert "H_REGISTER_VPA(flags=0x200000000000, vcpu=0x0, gpa=0x600000) -> H_SUCCESS" in said[3]
    assert any("rtas system-reboot() -> 0x0" in line for line in of("hcall", lines))


def test_every_store_into_a_vpa_or_a_log_is_logged_and_stale_ones_say_so():
    guest, lines, _ = log_of_reboot()
    stores = [w for w in guest.door.writes if w.area in ("VPA", "DTL")]
    said = [line for line in (*of("vpa", lines), *of("dtl", lines)) if " stores " in line]

    assert len(said) == len(stores)
    assert sum("STALE" in line for line in said) == sum(w.is_stale for w in stores) > 0
    assert "the DTL of vcpu1 is registered by vcpu1, H_REGISTER_VPA, at 0x605000, 4,080 bytes" in (
        "\n".join(of("vpa", lines))
    )
    assert [line for line in lines if line.startswith("reset: ")] == [
        "reset: @32,914 guest-reset, areas: keep"
    ]


def test_a_refused_hypercall_is_a_guests_error_and_says_what_would_be_right():
    lines = []
    register_dtl = "li 4,2; rldicr 4,4,45,18; li 3,0xdc; li 5,0; li 6,0x2000; sc 1; b 0"
    guest = guest_running(register_dtl)
    guest.memory.store_be(0x2004, 4, 480)
    Log(guest, ("guest_errors",), lines.append)
    guest.run(20)

    assert lines == [
        "guest_errors: vcpu0 @6 H_REGISTER_VPA(flags=0x400000000000, vcpu=0x0, gpa=0x2000) ->"
        " H_RESOURCE: the VPA is registered before the other areas, and deregistered after them"
    ]


@pytest.mark.parametrize("accel", ["python", "native", "lockstep"])
def test_an_interrupt_is_logged_with_its_vector_and_srr0_and_srr1(accel):
    lines = []
    guest = guest_running(TRAPPING, accel=accel)
    place(guest.memory, HANDLER, at=0x700)
    Log(guest, ("int",), lines.append)
    guest.run(50)

    assert lines == [
        f"int: vcpu0 @1 0x700 PROGRAM at {ENTRY + 4:#x}, SRR1 0x8000000000021000, to 0x700"
    ]


def test_a_load_without_a_segment_is_logged_by_int_and_by_mmu():
    lines = []
    guest = guest_running("lis 9,0x7000; mfmsr 8; ori 8,8,0x10; mtmsrd 8,0; ld 3,8(9)")
    place(guest.memory, "b 0", at=0x380)
    Log(guest, ("int", "mmu"), lines.append)
    guest.run(8)
    interrupt, failure = lines

    assert interrupt.startswith(f"int: vcpu0 @4 0x380 DATA_SEGMENT at {ENTRY + 16:#x}, SRR1 ")
    assert ", to 0x380, DAR 0x70000008, DSISR " in interrupt
    assert failure == f"mmu: vcpu0 @4 load at 0x70000008 by {ENTRY + 16:#x}: no segment"


def narrated(classes, config=None, program=None, **more):
    guest = boot(config) if program is None else guest_running(program, **more)
    lines = []
    narrate(guest, classes, lines.append, lambda vcpu: f"r10={vcpu.state.read(GPR, 10)}\n")
    return guest, lines


@pytest.mark.parametrize("accel", ["python", "native"])
def test_exec_tells_every_instruction_in_its_order(accel):
    guest, lines = narrated(("exec",), program="li 10,3; addi 10,10,-1; cmpwi 10,0; bne -8; b 0",
                            accel=accel)  # fmt: skip
    guest.run(12)
    loop = [4, 8, 12]

    assert lines == [
        f"exec: vcpu0 @{icount} {ENTRY + offset:#x}"
        for icount, offset in enumerate([0, *loop, *loop, *loop, 16, 16])
    ]


def test_in_asm_shows_each_instruction_once_and_again_when_it_has_changed():
    guest, lines = narrated(("in_asm",), program="li 10,3; b 0")
    guest.run(5)
    place(guest.memory, "nop")
    guest.vcpus[0].start(ENTRY, 0)
    guest.run(5)
    shown = [line.split(":  ")[1] for line in lines if not line.startswith("in_asm")]

    assert [text.split("  ")[1] for text in shown] == ["li r10, 3", "b 0x1004", "nop"]
    assert lines[0] == f"in_asm: vcpu0 {ENTRY:#x}:"


def test_a_guest_is_the_same_with_every_instruction_told():
    def ended(narrator):
        guest = boot(reboot().harmed.config.replace(next_kernels=(image("hello-be.elf"),)))
        said = []
        guest.console.output = said.append
        if narrator:
            narrate(guest, ("exec",), lambda _: None, lambda _: "")
        outcome = guest.run(150_000)
        return outcome, guest.clock.count, b"".join(said), bytes(guest.memory.ram)

    assert ended(narrator=True) == ended(narrator=False)


def test_a_log_goes_to_stderr_or_to_a_file_and_says_the_same(tmp_path):
    run = ("run", IMAGES / "hello-be.elf", "-m", 16, "-d", "hcall,int")
    there = papvmm(*run)
    here = papvmm(*run, "-D", tmp_path / "log")
    plain = papvmm("run", IMAGES / "hello-be.elf", "-m", 16)
    lines = [line for line in there.stderr.decode().splitlines() if not line.startswith("papvmm: ")]

    assert (tmp_path / "log").read_text().splitlines() == lines
    assert here.stdout == there.stdout == plain.stdout
    assert sum(line.startswith("hcall: ") for line in lines) > 10


def test_what_there_is_not_goes_where_the_log_goes(tmp_path):
    guest = guest_running(f"{hcall(0x3F8)}; {hcall(0x3F8)}; b 0")
    with logged(guest, Namespace(d=frozenset(("unimp",)), D=str(tmp_path / "log"))) as say:
        Missing(guest, say, everything=True)
        guest.run(6)

    assert (tmp_path / "log").read_text() == (
        f"hypercall 0x3f8 is not provided: asked for at {ENTRY + 4:#x} by vcpu0 @ 2\n"
    )


def test_d_help_lists_the_classes_a_line_each():
    done = papvmm("run", "-d", "help")

    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.decode().splitlines()] == list(CLASSES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("hcal", "there is no log class 'hcal'; is it hcall? There are int, hcall, "),
        ("int,zzzzz", "there is no log class 'zzzzz' There are int, hcall, "),
    ],
)
def test_an_unknown_class_is_one_line_with_the_nearest_one(given, says):
    done = papvmm("run", IMAGES / "hello-be.elf", "-d", given)
    (line,) = done.stderr.decode().splitlines()

    assert done.returncode == 2
    assert says in line


def test_a_log_that_can_not_be_written_is_said_and_one_without_room_ends(tmp_path):
    run = ("run", IMAGES / "hello-be.elf", "-m", 16, "-d", "hcall", "-D")
    refused, full = papvmm(*run, tmp_path / "no" / "log"), papvmm(*run, "/dev/full")

    assert (refused.returncode, full.returncode) == (65, 0)
    assert re.search(rb"papvmm: .*/no/log: No such file", refused.stderr)
    assert b"papvmm: the log ends early: /dev/full: No space left on device" in full.stderr


def test_slow_classes_say_so_and_tell_instructions_of_the_image(tmp_path):
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, "-d", "in_asm,cpu", "-D",
                  tmp_path / "log", "--timeout", 30)  # fmt: skip
    text = (tmp_path / "log").read_text()

    assert b"-d cpu,in_asm: one instruction at a time, hundreds of times slower" in done.stderr
    words = re.findall(r"^0x([0-9a-f]{16}):  ([0-9a-f]{8})  (.*)$", text, re.MULTILINE)
    assert len(words) > 100
    assert all(disassemble(int(word, 16), int(ea, 16)) == said for ea, word, said in words)
    assert "NIP 0000000000400000 " in text
