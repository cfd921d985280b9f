"""What ``papvmm top`` knows of a guest at one moment, as the control socket carries it."""

from collections.abc import Mapping

from papvmm.trace.events import HvWrite
from papvmm.values import Value


class Kernel(Value):
    """The file of the kernel loaded last; ``address`` is the place of one that has none."""

    path: str
    address: int


class AreaInForce(Value):
    """An area that is registered and in force; ``generation`` is that of the registration."""

    gpa: int
    length: int
    generation: int


class VcpuSample(Value):
    """A vcpu: what it does, and what it has done since power-on.

    ``state`` is run, preempted, ceded or stopped; ``run``, ``waiting`` and ``idle`` are virtual
    time (ns). ``areas`` and ``stale_writes`` go by the names of the areas, ``hypercalls`` by
    PAPR's. ``log_index`` is the number of entries written to the log in force.
    """

    vcpu_id: int
    state: str
    nip: int
    instructions: int
    run: int
    waiting: int
    idle: int
    yield_count: int
    hypercalls: Mapping[str, int]
    areas: Mapping[str, AreaInForce]
    log_index: int
    stale_writes: Mapping[str, int]


class LogEntry(Value):
    """A dispatch trace log entry as it is in RAM: its vcpu, its number, and what it says.

    ``enqueue_to_dispatch_time`` is in ticks of the time base, the reasons are numbers of LoPAR.
    """

    vcpu_id: int
    number: int
    dispatch_reason: int
    preempt_reason: int
    enqueue_to_dispatch_time: int
    timebase: int
    srr0: int


class Sample(Value):
    """A guest: virtual time is ``count`` (ns), and ``icount`` the instructions completed.

    ``log`` and ``writes`` are the latest log entries and hypervisor stores, oldest first.
    """

    name: str
    kernel: Kernel | None
    status: str
    count: int
    icount: int
    resets: int
    vcpus: tuple[VcpuSample, ...]
    log: tuple[LogEntry, ...]
    writes: tuple[HvWrite, ...]
    writes_total: int
    latest_stale: HvWrite | None
