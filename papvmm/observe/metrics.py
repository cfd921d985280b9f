"""A guest's counters as Prometheus reads them (text format 0.0.4).

They are those ``papvmm top`` shows. Times are the guest's, in seconds.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from papvmm import __version__
from papvmm.clock import SECOND
from papvmm.machine.accounts import time_spent
from papvmm.machine.guest import Guest
from papvmm.papr.hcall import HcallStatus, hcall_name, status_name
from papvmm.trace.events import MachineReset
from papvmm.vpa.layout import Area

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
COUNTER: Final = "counter"
GAUGE: Final = "gauge"
EARLIER: Final = "earlier"


class Sample(NamedTuple):
    """One value, and the labels that tell it from others of its name."""

    value: float
    labels: dict[str, object]


class Metric(NamedTuple):
    """All values of a name."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


class Metrics:
    """The metrics of a guest, whose resets before now, or before it came here, are ``EARLIER``."""

    def __init__(self, guest: Guest) -> None:
        self._guest: Final = guest
        self._resets: Final[Counter[str]] = Counter()
        guest.door.tracer.subscribe(MachineReset, self._count_reset)

    def text(self) -> str:
        """Return all metrics as they are now."""
        return "".join(map(_exposition, self._metrics()))

    def _count_reset(self, event: MachineReset) -> None:
        self._resets[event.reason] += 1

    def _metrics(self) -> Iterator[Metric]:
        guest = self._guest
        yield _one("papvmm_info", GAUGE, "What runs the guest.", 1,
                   version=__version__, accel=guest.config.accel, hv=guest.config.hv)  # fmt: skip
        yield _one("papvmm_instructions_total", COUNTER, "Instructions completed by all vcpus.",
                   guest.clock.icount)  # fmt: skip
        yield _one("papvmm_guest_seconds_total", COUNTER, "The guest's time since power-on.",
                   guest.clock.count / SECOND)  # fmt: skip
        yield from self._of_vcpus()
        yield from self._of_the_hypervisor()

    def _of_vcpus(self) -> Iterator[Metric]:
        guest = self._guest
        times = [(vcpu.vcpu_id, time_spent(guest, vcpu)) for vcpu in guest.vcpus]
        yield Metric(
            "papvmm_vcpu_instructions_total", COUNTER, "Instructions completed by a vcpu.",
            [Sample(vcpu.instructions, {"vcpu": vcpu.vcpu_id}) for vcpu in guest.vcpus],
        )  # fmt: skip
        yield Metric(
            "papvmm_vcpu_seconds_total", COUNTER,
            "The guest's time in which a vcpu ran, waited for its turn, or was idle.",
            [
                Sample(getattr(spent, state) / SECOND, {"vcpu": vcpu_id, "state": state})
                for vcpu_id, spent in times
                for state in spent.__match_args__
            ],
        )  # fmt: skip
        yield Metric(
            "papvmm_vcpu_yield_count", GAUGE, "The VPA's yield_count; 0 without a VPA.",
            [Sample(vcpu.areas.yield_count, {"vcpu": vcpu.vcpu_id}) for vcpu in guest.vcpus],
        )  # fmt: skip
        yield Metric(
            "papvmm_hcalls_total", COUNTER, "Hypercalls, by name and answer.",
            [Sample(n, {"name": name, "rc": rc}) for (name, rc), n in self._answers().items()],
        )  # fmt: skip

    def _answers(self) -> Counter[tuple[str, str]]:
        counts = Counter[tuple[str, str]]()
        for vcpu in self._guest.vcpus:
            for token, count in vcpu.hypercalls.items():
                counts[hcall_name(token), HcallStatus.H_SUCCESS.name] += count
            for (token, status), count in vcpu.refused.items():
                counts[hcall_name(token), status_name(status)] += count
        return counts

    def _of_the_hypervisor(self) -> Iterator[Metric]:
        vcpus, door = self._guest.vcpus, self._guest.door
        in_force = Counter(a for v in vcpus for a in Area if v.areas.area(a).pinned is not None)
        stale = Counter[str]()
        for (_vcpu_id, area), count in door.stale.items():
            stale[area] += count
        yield Metric(
            "papvmm_areas", GAUGE, "Vcpus that have an area in force.",
            [Sample(in_force[area], {"area": area.name}) for area in Area],
        )  # fmt: skip
        yield _one("papvmm_hv_writes_total", COUNTER, "Stores of the hypervisor into guest RAM.",
                   door.count)  # fmt: skip
        yield Metric(
            "papvmm_hv_stale_writes_total", COUNTER,
            "Those into areas registered before the last reset.",
            [Sample(stale[area.name], {"area": area.name}) for area in Area],
        )  # fmt: skip
        yield Metric(
            "papvmm_resets_total", COUNTER, "Resets, by what asked for them.",
            [Sample(count, {"reason": reason}) for reason, count in self._reasons().items()],
        )  # fmt: skip

    def _reasons(self) -> dict[str, int]:
        """Return how many resets each reason has had."""
        earlier = self._guest.door.generation - self._resets.total()
        return ({EARLIER: earlier} if earlier > 0 else {}) | self._resets


def _one(name: str, kind: str, text: str, value: float, **labels: object) -> Metric:
    return Metric(name, kind, text, [Sample(value, labels)])


def _exposition(metric: Metric) -> str:
    lines = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
    lines += (f"{metric.name}{_in_braces(s.labels.items())} {s.value}" for s in metric.samples)
    return "".join(f"{line}\n" for line in lines)


def _in_braces(labels: Iterable[tuple[str, object]]) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""
