"""What the end of a run means for people: a line on stderr, and an exit code."""

from typing import assert_never

from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.stderr import complain
from papvmm.machine.guest import Guest
from papvmm.machine.outcome import (
    GuestReset,
    HostCrashed,
    NoProgress,
    Outcome,
    Panicked,
    Paused,
    PoweredOff,
    Quit,
    VcpuCrashed,
)

QUIT_CODES = {
    "SIGHUP": ExitCode.SIGHUP,
    "SIGINT": ExitCode.SIGINT,
    "SIGQUIT": ExitCode.SIGQUIT,
    "SIGTERM": ExitCode.SIGTERM,
    "migration": ExitCode.BAD_INPUT,
    "timeout": ExitCode.TIMEOUT,
    "stdout": ExitCode.FINDING,
}


def explain(outcome: Outcome, guest: Guest) -> ExitCode:
    """Say on stderr what a person has to know about the end of a run; return the exit code."""
    code, message = verdict(outcome, guest)
    if message:
        complain(message)
    return code


def verdict(outcome: Outcome, guest: Guest) -> tuple[ExitCode, str]:
    """Return the exit code of an outcome, and a line about it; empty if nothing went wrong."""
    at = f"@ {guest.clock.icount:,}"
    match outcome:
        case PoweredOff() | Paused():
            return ExitCode.DONE, ""
        case GuestReset():
            return ExitCode.GUEST_RESET, f"the guest asked for a reset {at}"
        case Panicked(message):
            return ExitCode.GUEST_PANIC, f"the guest panicked {at}: {message}"
        case VcpuCrashed(vcpu_id, cia, why, word):
            shown = "" if word is None else _shown(word, cia)
            place = guest.describe(cia)
            return ExitCode.VCPU_CRASH, f"vcpu{vcpu_id} stopped {at} at {place}: {why}{shown}"
        case HostCrashed(why):
            return ExitCode.VCPU_CRASH, f"the host crashed {at}: {why}"
        case NoProgress():
            return ExitCode.NO_PROGRESS, f"every vcpu waits {at}, and nothing can wake one"
        case Quit("timeout"):
            return ExitCode.TIMEOUT, f"--timeout passed {at}"
        case Quit(why):
            return QUIT_CODES.get(why, ExitCode.DONE), ""
        case _:
            assert_never(outcome)


def _shown(word: int, cia: int) -> str:
    """Return an instruction word as people read it."""
    from papvmm.isa.disasm import disassemble  # noqa: PLC0415 - most guests don't crash

    return f" 0x{word:08x} ({disassemble(word, cia)})"
