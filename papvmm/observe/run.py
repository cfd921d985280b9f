"""A single run as people see it: what there is to say about it, for its report and its text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Final, NamedTuple

from papvmm.machine.config import MachineConfig
from papvmm.machine.guest import Guest
from papvmm.machine.outcome import HostCrashed, Outcome
from papvmm.observe.callers import Callers
from papvmm.observe.census import Call, Census
from papvmm.observe.corruption import corruption_by_stores
from papvmm.observe.exhibit import Names, Result, Scene
from papvmm.observe.record import Recorder
from papvmm.observe.wording import counted
from papvmm.trace.events import Registration


class RunRecorder:
    """Listens to a guest from power-on; ``finish`` returns what there was."""

    def __init__(self, guest: Guest) -> None:
        self._guest: Final = guest
        self._recorder: Final = Recorder()
        self._callers: Final = Callers(guest)
        self._census: Final = Census(guest.door.tracer)
        self._recorder.listen(guest.door.tracer, guest.clock)
        self.print: Final = self._recorder.print

    def finish(self, outcome: Outcome) -> "Run":
        """Return the run up to now."""
        guest = self._guest
        record = self._recorder.finish(guest.memory)
        scene = Scene("run", "this run", guest.config)
        refusals = tuple(map(str, guest.refusals))
        result = Result(
            scene, record, corruption_by_stores(record), outcome, refusals,
            describe=guest.describe, callers=self._callers.texts,
        )  # fmt: skip
        calls = tuple(self._census.calls.most_common())
        return Run(result, guest.door.generation, guest.door.count, calls)


@dataclass(frozen=True)
class Run:
    """What came of a run with so many ``resets`` and hypervisor ``stores``, and its calls."""

    result: Result
    resets: int
    stores: int
    calls: tuple[tuple[Call, int], ...]

    @property
    def kernels(self) -> str:
        """The kernels there were, one after the other."""
        config = self.result.scene.config
        return " then ".join(
            dict.fromkeys(_kernel(config, boot) for boot in range(self.resets + 1))
        )

    @cached_property
    def names(self) -> Names:
        """Who ran before the last reset, and after it."""
        config = self.result.scene.config
        last = _kernel(config, self.resets)
        if not self.resets:
            return Names(last, "")
        before = _kernel(config, self.resets - 1)
        if before == last:
            return Names(f"{last}, boot {self.resets}", f"boot {self.resets + 1}")
        return Names(before, last)

    @property
    def foreign(self) -> int:
        """How many stores went into areas that were registered before the last reset."""
        return sum(sum(activity.foreign) for activity in self.result.record.activity.values())

    @property
    def is_bad(self) -> bool:
        """Tell whether something went wrong that is the hypervisor's fault."""
        return isinstance(self.result.outcome, HostCrashed) or bool(self.foreign)

    @property
    def headline(self) -> str:
        """The verdict in a few words."""
        if isinstance(self.result.outcome, HostCrashed):
            return "✗ the host crashed"
        if self.foreign:
            return f"✗ {counted(self.foreign, 'stale store')}"
        return "✓ no stale stores"

    def findings(self) -> Iterator[str]:
        """Say what was seen, a sentence each."""
        result = self.result
        record, first = result.record, result.corruption.first
        areas = sum(1 for r in record.registrations if r.gpa)
        yield (
            f"{counted(areas, 'area')} registered, {counted(self.resets, 'reset')},"
            f" {counted(self.stores, 'store')} by the hypervisor."
        )
        if self.foreign:
            words = len(result.corruption.gpas)
            yield (
                f"{counted(self.foreign, 'store')} went into areas of {self.names.before} after"
                f" the last reset: {counted(words, 'word')} of {self.names.after} changed."
            )
        if first is not None:
            yield f"First bad store @{first.first.icount:,}: {first.first.field}."
        yield from result.refusals


class Row(NamedTuple):
    """An area's registration, ``who`` made it, and ``until`` when it lasted.

    ``outlived`` says that it was still there after a reset.
    """

    registration: Registration
    who: str
    until: str
    outlived: bool


def registrations_in(result: Result) -> list[Row]:
    """Return the registrations of a run, in their order, and what ended each one."""
    rows = []
    record = result.record
    for index, registration in enumerate(record.registrations):
        if not registration.gpa:
            continue
        place = (registration.vcpu_id, registration.area)
        end = next(
            (r for r in record.registrations[index + 1 :] if (r.vcpu_id, r.area) == place), None
        )
        handover = record.handover
        stale = handover is not None and registration.number <= handover.foreign
        last = record.end if end is None else end.icount
        outlived = stale and handover is not None and last > handover.icount
        rows.append(Row(registration, _who(result, registration), _until(end, outlived), outlived))
    return rows


def _until(end: Registration | None, outlived: bool) -> str:  # noqa: FBT001 - one of two texts
    survived = "the end, past the reset" if outlived else "the end"
    if end is None:
        return survived
    verb = "registered anew" if end.gpa else "unregistered"
    return f"{verb} by {end.door} @{end.icount:,}"


def _who(result: Result, registration: Registration) -> str:
    caller = "" if registration.caller is None else f" by vcpu{registration.caller}"
    functions = result.callers.get(registration.number)
    return f"{registration.door}{caller}" + (f": {functions}" if functions else "")


def _kernel(config: MachineConfig, generation: int) -> str:
    kernel = config.kernel_for(generation)
    return "no kernel" if kernel is None else PurePath(kernel.name).name
