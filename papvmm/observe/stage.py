"""Performs the scenes of a demonstration: boots the guest, records its run, judges it."""

from collections.abc import Callable
from typing import Final

from papvmm.machine.builder import boot
from papvmm.machine.machine import Machine
from papvmm.observe.corruption import corruption_in
from papvmm.observe.exhibit import Demonstration, Exhibit, Result, Scene
from papvmm.observe.record import Recorder

LONGEST: Final = 20_000_000
"""Instructions after which a scene is cut short: something is wrong with it."""


async def perform(demonstration: Demonstration, tell: Callable[[str], None]) -> Exhibit:
    """Run both scenes, one after the other; ``tell`` hears which one it is."""
    results = []
    for scene in (demonstration.harmed, demonstration.cured):
        tell(scene.label)
        results.append(await play(scene))
    return Exhibit(demonstration, *results)


async def play(scene: Scene) -> Result:
    """Run one scene to its end."""
    guest = boot(scene.config)
    clock = guest.clock
    recorder = Recorder(guest.door.tracer, lambda: clock.icount, scene.handover_line)
    guest.console.output = recorder.print
    async with Machine(guest) as machine:
        machine.resume(limit=LONGEST)
        outcome = await machine.rest()
    record = recorder.finish(guest.memory)
    refusals = tuple(map(str, guest.refusals))
    return Result(scene, record, corruption_in(record), outcome, refusals, guest.describe)
