"""What monitors do to a machine, whoever's words they speak."""

import asyncio
from typing import Final

from papvmm.control.control import Control
from papvmm.errors import PapvmmError
from papvmm.machine.inputs import SystemReset
from papvmm.machine.runstate import RunState

QUIT: Final = "host-qmp-quit"
SYSTEM_RESET: Final = "host-qmp-system-reset"


class Busy(PapvmmError):
    """Something has to be waited for."""


class NotProvided(PapvmmError):
    """There is no such thing here."""


async def stop(control: Control) -> None:
    """Pause a machine that runs."""
    await control.machine.pause()


async def cont(control: Control) -> None:
    """Let a machine run that doesn't."""
    if control.dumps.guest_rests:
        raise Busy("the guest rests until its memory is dumped: please wait")
    if control.machine.run_state is not RunState.RUNNING:
        control.machine.resume()


async def system_reset(control: Control) -> None:
    """Reset the guest."""
    await control.machine.reset(SYSTEM_RESET)


async def quit_machine(control: Control) -> None:
    """Shut down, once the answer is out."""
    asyncio.get_running_loop().call_soon(control.machine.quit, QUIT)


async def inject_nmi(control: Control) -> None:
    """Give every vcpu that has started a system reset interrupt."""
    guest = control.machine.guest

    def interrupt() -> None:
        for vcpu in guest.vcpus:
            guest.take(SystemReset(vcpu.vcpu_id))

    await control.machine.between_entries(interrupt)


async def system_powerdown(_control: Control) -> None:
    """Ask the guest to power off: it can't be asked."""
    raise NotProvided("the guest can't be told: there are no environmental and power warnings")


async def system_wakeup(_control: Control) -> None:
    """Wake a guest that sleeps: none does."""
    raise NotProvided("unable to wake up: the guest is not in suspended state")
