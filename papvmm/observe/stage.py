"""Performs the scenes of a demonstration: boots the guest, records its run, judges it."""

from collections.abc import Callable
from typing import TypeAlias

from papvmm.machine.builder import boot
from papvmm.machine.guest import Guest
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import Outcome
from papvmm.observe.callers import Callers
from papvmm.observe.corruption import corruption_in
from papvmm.observe.exhibit import Demonstration, Exhibit, Result, Scene
from papvmm.observe.record import Recorder
from papvmm.observe.resumption import resumption_in

Carry: TypeAlias = Callable[[Guest], tuple[Guest, tuple[str, ...]]]
"""Saves a guest and returns it restored, and what was left behind."""


async def perform(
    demonstration: Demonstration, carry: Carry, tell: Callable[[str], None]
) -> Exhibit:
    """Run both scenes, one after the other; ``tell`` hears which one it is."""
    results = []
    for scene in (demonstration.harmed, demonstration.cured):
        tell(scene.label)
        results.append(await play(scene, carry))
    return Exhibit(demonstration, *results)


async def play(scene: Scene, carry: Carry) -> Result:
    """Run one scene to its end."""
    guest = boot(scene.config)
    recorder, callers = Recorder(scene.handover_line), Callers(guest)
    notes: tuple[str, ...] = ()
    _record(guest, recorder)
    if scene.save_after:
        await _run_until_saveable(guest, scene.save_after)
        guest, notes = carry(guest)
        _record(guest, recorder)
        recorder.hand_over("restored", foreign=False)
    outcome = await _run_to_the_end(guest, scene.longest)
    record = recorder.finish(guest.memory)
    refusals = (*notes, *map(str, guest.refusals))
    return Result(
        scene, record, corruption_in(record), outcome, refusals,
        resumption_in(record), guest.describe, callers.texts,
    )  # fmt: skip


def _record(guest: Guest, recorder: Recorder) -> None:
    recorder.listen(guest.door.tracer, guest.clock)
    guest.console.output = recorder.print


async def _run_until_saveable(guest: Guest, instructions: int) -> None:
    """Run a number of instructions, and on until every vcpu is between two entries."""
    async with Machine(guest) as machine:
        machine.resume(limit=instructions)
        await machine.rest()
        machine.resume()
        await machine.pause()


async def _run_to_the_end(guest: Guest, longest: int) -> Outcome:
    async with Machine(guest) as machine:
        machine.resume(limit=longest)
        return await machine.rest()
