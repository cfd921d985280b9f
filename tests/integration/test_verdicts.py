"""What a person is told about the end of a run."""

import pytest

from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.outcome import verdict
from papvmm.isa.state import MSR
from papvmm.machine.outcome import HostCrashed, NoProgress, Panicked, Quit
from tests.guest_programs import ENTRY, guest_running

MSR_FP = 1 << 13
MSR_VEC = 1 << 25
MSR_VSX = 1 << 23


@pytest.mark.parametrize(
    ("word", "facility", "text"),
    [
        (0xFC201830, MSR_FP, "fre f1, f3"),
        (0x1022180A, MSR_VEC, "vaddfp v1, v2, v3"),
        (0xF0221B00, MSR_VSX, "xvadddp vs1, vs2, vs3"),
    ],
    ids=["FP", "VMX", "VSX"],
)
def test_an_instruction_that_is_not_built_is_named_with_its_address_and_the_count(
    word, facility, text
):
    guest = guest_running("nop; nop")
    guest.memory.store_be(ENTRY + 4, 4, word)
    state = guest.vcpus[0].state
    state.write(MSR, state.read(MSR) | facility)

    code, line = verdict(guest.run(100), guest)

    assert code == ExitCode.VCPU_CRASH == 33
    assert line.startswith(f"vcpu0 stopped @ 1 at {ENTRY + 4:#x}: ")
    assert f"0x{word:08x}" in line
    assert text in line


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        (Panicked("out of luck"), 34, "the guest panicked @ 0: out of luck"),
        (HostCrashed("a null pointer"), 33, "the host crashed @ 0: a null pointer"),
        (NoProgress(), 36, "nothing can wake one"),
        (Quit("timeout"), 124, "--timeout passed"),
        (Quit("SIGINT"), 130, ""),
        (Quit("host-qmp-quit"), 0, ""),
    ],
)
def test_every_other_end_has_its_code_and_its_line(outcome, code, text):
    told = verdict(outcome, guest_running("nop"))

    assert told[0] == code
    assert text in told[1]
