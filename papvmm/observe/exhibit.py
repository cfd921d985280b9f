"""A demonstration as people see it: two runs of the same guests that differ in one thing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never

from papvmm.machine.config import File, MachineConfig
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
from papvmm.observe.corruption import Corruption
from papvmm.observe.record import RunRecord
from papvmm.observe.resumption import Resumption
from papvmm.trace.events import Registration


class Names(NamedTuple):
    """Who runs before the handover, and after it."""

    before: str
    after: str


KERNELS: Final = Names("kernel A", "kernel B")


@dataclass(frozen=True, slots=True)
class Scene:
    """One of the two runs: ``name`` in one word, ``label`` in a few.

    ``handover_line`` is what the guest prints when the next kernel takes over without a reset.
    ``save_after`` instructions the guest is saved, and goes on restored in another machine.
    After the ``longest`` run of instructions it is cut short: something is wrong with it.
    """

    name: str
    label: str
    config: MachineConfig
    handover_line: str = ""
    save_after: int = 0
    longest: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Demonstration:
    """``harmed`` is the scene in which something goes wrong, ``cured`` the one in which it can't.

    ``story`` is a paragraph, ``cure`` what makes the difference, in a line. ``given`` names the
    files that are the user's own.
    """

    name: str
    title: str
    story: str
    cure: str
    harmed: Scene
    cured: Scene
    names: Names = KERNELS
    given: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[File, ...]:
        """What the harmed scene is started with, but for what the user has."""
        config = self.harmed.config
        files = (config.kernel, config.initrd, *config.next_kernels)
        return tuple(file for file in files if file and file.name not in self.given)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scene.

    ``refusals`` is what ONE_REG would not do, ``resumption`` is there if the guest was saved and
    restored; ``describe`` names addresses of the kernel that ran last. ``callers`` are the
    functions behind each registration, by its number.
    """

    scene: Scene
    record: RunRecord
    corruption: Corruption
    outcome: Outcome
    refusals: tuple[str, ...]
    resumption: Resumption | None = None
    describe: Callable[[int], str] = hex
    callers: Mapping[int, str] = field(default_factory=dict)

    def origin(self, registration: Registration) -> str:
        """Say by which door and when an area was registered, and by which functions if known."""
        origin = f"{registration.door} @{registration.icount:,}"
        callers = self.callers.get(registration.number)
        return f"{origin}: {callers}" if callers else origin

    @property
    def looked(self) -> int:
        """When the guest had looked at its memory for the last time: the end if it never said."""
        return self.corruption.looked

    @property
    def crashed(self) -> bool:
        """Tell whether the hypervisor itself crashed."""
        return isinstance(self.outcome, HostCrashed)

    @property
    def harmed(self) -> bool:
        """Tell whether something went wrong that is the hypervisor's fault."""
        return self.crashed or self.lost or self.corruption.corrupted

    @property
    def lost(self) -> bool:
        """Tell whether areas were lost on the way into another machine."""
        return self.resumption is not None and self.resumption.lost

    @property
    def doubt(self) -> str:
        """Say why the result can't be trusted; empty if it can."""
        told = self.corruption.testimony
        if not isinstance(self.outcome, PoweredOff | HostCrashed):
            return f"the run should have ended with power-off: {outcome_text(self.outcome)}"
        if told is not None and not self.corruption.agreed:
            return (
                f"the guest says {told.words} words changed,"
                f" the hypervisor's stores explain {len(self.corruption.gpas)}"
            )
        resumption = self.resumption
        if resumption is not None and not resumption.agreed:
            return (
                f"the guest says {resumption.told} vcpus were resumed, but the hypervisor has"
                f" stored into areas of {resumption.seen}"
            )
        if self.corruption.gpas and told is None:
            return "the guest did not say whether its memory is intact"
        return ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A demonstration and its results."""

    demonstration: Demonstration
    harmed: Result
    cured: Result

    @property
    def convinces(self) -> bool:
        """Tell whether the harm shows, the cure cures, and both results can be trusted."""
        trusted = not (self.harmed.doubt or self.cured.doubt)
        return trusted and self.harmed.harmed and not self.cured.harmed


def outcome_text(outcome: Outcome) -> str:
    """Say how a run ended, in a few words."""
    match outcome:
        case PoweredOff():
            return "powered off"
        case GuestReset():
            return "asked for a reset"
        case Panicked(message):
            return f"panicked: {message}"
        case VcpuCrashed(vcpu_id, cia, why, _):
            return f"vcpu{vcpu_id} crashed at {cia:#x}: {why}"
        case HostCrashed(why):
            return f"the host crashed: {why}"
        case NoProgress():
            return "every vcpu waits for ever"
        case Quit(why) | Paused(why):
            return f"stopped: {why}"
        case _:
            assert_never(outcome)
