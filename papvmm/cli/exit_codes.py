"""Exit codes: one enum for every command."""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What the exit code of a papvmm command says; ``MEANINGS`` has it in words."""

    DONE = 0
    FINDING = 1
    USAGE = 2
    GUEST_RESET = 32
    VCPU_CRASH = 33
    GUEST_PANIC = 34
    NO_PROGRESS = 36
    BAD_INPUT = 65
    OUR_BUG = 70
    TIMEOUT = 124
    SIGHUP = 129
    SIGINT = 130
    SIGQUIT = 131
    SIGTERM = 143


MEANINGS: Final = {
    ExitCode.DONE: "done: the guest powered off, or the command succeeded",
    ExitCode.FINDING: "a finding: corruption, a difference, a failed test; or output was lost",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.GUEST_RESET: "the guest asked for a reset, and -action reboot=shutdown was given",
    ExitCode.VCPU_CRASH: "a vcpu or its host crashed, or met an instruction that is not built",
    ExitCode.GUEST_PANIC: "the guest panicked",
    ExitCode.NO_PROGRESS: "every vcpu waits, and nothing can wake one",
    ExitCode.BAD_INPUT: "an input file can't be used",
    ExitCode.OUR_BUG: "a defect of papvmm",
    ExitCode.TIMEOUT: "--timeout passed",
    ExitCode.SIGHUP: "its terminal was closed (SIGHUP)",
    ExitCode.SIGINT: "interrupted (SIGINT)",
    ExitCode.SIGQUIT: "interrupted (SIGQUIT)",
    ExitCode.SIGTERM: "terminated (SIGTERM)",
}
