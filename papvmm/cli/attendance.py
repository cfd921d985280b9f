"""Running a guest beside others who want to be served: the part of a run with an event loop."""

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING

from papvmm.cli.console import Console
from papvmm.cli.loop import run_loop
from papvmm.cli.options import DEFER
from papvmm.cli.outcome import verdict
from papvmm.cli.output import Output
from papvmm.cli.session import ENDING, Session, mention_loss
from papvmm.cli.stderr import complain
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import Outcome
from papvmm.machine.runstate import RunState

if TYPE_CHECKING:
    from papvmm.control.control import Control
    from papvmm.control.hmp.server import MonitorServer
    from papvmm.control.qmp.server import QmpServer
    from papvmm.control.socket_address import SocketAddress


def attend(session: Session) -> Outcome:
    """Run the guest of a session from where it is to its end."""
    return run_loop(lambda: _attend(session))


async def _attend(session: Session) -> Outcome:
    loop, guest, args = asyncio.get_running_loop(), session.guest, session.args
    async with AsyncExitStack() as stack:
        machine = Machine(guest, attended=session.is_controlled, pace=session.pace)
        await stack.enter_async_context(machine)
        outlet = Outlet(session.output, machine)
        for caught in ENDING:
            loop.add_signal_handler(caught, outlet.give_up, caught.name)
        if session.deadline is not None:
            loop.call_later(session.deadline - monotonic(), outlet.give_up, "timeout")
        if session.end:
            outlet.give_up(session.end)
        if session.has_console:
            console = Console(machine, session.stdin, session.output)
            await stack.enter_async_context(console)
        if session.is_measured:
            await _publish(session, machine, stack)
        if session.is_controlled or args.incoming is not None:
            await _control(session, machine, stack)
        if not args.S and machine.run_state is RunState.CREATED:
            machine.resume()
        outcome = await machine.end()
        await outlet.drained()
        return outcome


async def _control(session: Session, machine: Machine, stack: AsyncExitStack) -> None:
    """Let the machine be controlled, and its guest come from elsewhere, if that was asked for."""
    from papvmm.control.control import Control  # noqa: PLC0415 - who asks, waits

    args = session.args
    control = Control(machine, args.name, session.missing)
    migration = await stack.enter_async_context(control.migration)
    migration.tell = complain
    migration.goes_on = not args.S
    if args.incoming is not None:
        machine.move(RunState.INMIGRATE)
        if args.incoming != DEFER:
            migration.expect(machine, args.incoming)
    if session.gdb is not None:
        await _await_debugger(session, control, stack)
    if args.monitor is not None:
        from papvmm.control.hmp.server import MonitorServer  # noqa: PLC0415

        await _listen(args.monitor, MonitorServer(args.monitor, control), stack)
    if args.qmp is not None:
        from papvmm.control.qmp.server import QmpServer  # noqa: PLC0415

        await _listen(args.qmp, QmpServer(args.qmp, control), stack)


async def _listen(
    address: "SocketAddress", server: "QmpServer | MonitorServer", stack: AsyncExitStack
) -> None:
    """Open a socket, and wait there for a client if that was asked for."""
    await stack.enter_async_context(server)
    if address.wait:
        complain(f"waiting for a client at {address.path}")
        await server.first_client()


async def _await_debugger(session: Session, control: "Control", stack: AsyncExitStack) -> None:
    """Open the debugger's socket, and say how to connect to it; history begins now."""
    from papvmm.control.gdb.debuggee import Debuggee  # noqa: PLC0415 - who asks, waits
    from papvmm.control.gdb.invitation import invitation  # noqa: PLC0415
    from papvmm.control.gdb.server import GdbServer  # noqa: PLC0415
    from papvmm.machine.history import History  # noqa: PLC0415

    guest = session.guest
    has_history = session.pace is not Pace.ALWAYS and session.args.incoming is None
    replayed = guest.history if isinstance(guest.history, History) else None
    history = replayed or (History(guest) if has_history else None)
    debuggee = Debuggee(control, lambda outcome: verdict(outcome, guest), history)
    assert session.gdb is not None
    server = await stack.enter_async_context(GdbServer(session.gdb, debuggee))
    complain(invitation(server.address, guest))
    if session.pace is Pace.ALWAYS:
        complain("with --clock host gdb can't go back: the host's time does not")


async def _publish(session: Session, machine: Machine, stack: AsyncExitStack) -> None:
    """Let others have the guest's metrics."""
    from papvmm.control.metrics.file import MetricsFile  # noqa: PLC0415 - who asks, waits
    from papvmm.control.metrics.server import MetricsServer  # noqa: PLC0415
    from papvmm.observe.metrics import CONTENT_TYPE, Metrics  # noqa: PLC0415

    args, text = session.args, Metrics(session.guest).text
    if args.metrics is not None:
        server = MetricsServer(args.metrics, machine, text, CONTENT_TYPE)
        await stack.enter_async_context(server)
    if args.metrics_file is not None:
        await stack.enter_async_context(MetricsFile(args.metrics_file, text, complain))


class Outlet:
    """Holds a machine while its output is full, and ends it when nobody takes any more."""

    def __init__(self, output: Output, machine: Machine) -> None:
        self._output = output
        self._machine = machine
        self._drained = asyncio.Event()
        self._drained.set()
        output.hold, output.lost = self._hold, self._lose
        if output.is_full:
            self._hold(held=True)

    async def drained(self) -> None:
        """Wait until everything is out, or will never be."""
        await self._drained.wait()

    def give_up(self, why: str) -> None:
        """Shut down, and don't wait for whoever should read the rest of the guest's output."""
        self._machine.quit(why)
        self._output.close()

    def _hold(self, held: bool) -> None:  # noqa: FBT001 - a callback
        loop = asyncio.get_running_loop()
        if held:
            self._drained.clear()
            loop.add_writer(self._output.fd, self._output.go_on)
        else:
            loop.remove_writer(self._output.fd)
            self._drained.set()
        self._machine.hold(held=held, by="output")

    def _lose(self, error: OSError) -> None:
        mention_loss(error)
        self._machine.quit("stdout")
