"""The reboot pair without a guest: what kernels A and B do to the areas and to their memory.

Entries, exits and stores are the hypervisor's own; instructions are only counted. Two vcpus;
areas at 0x600000 + 0x4000 * vcpu, as the guests lay them.
"""

from papvmm.clock import VirtualClock
from papvmm.machine.config import MachineConfig
from papvmm.machine.outcome import PoweredOff
from papvmm.memory.door import HypervisorDoor
from papvmm.memory.guest_memory import GuestMemory
from papvmm.observe.corruption import corruption_in
from papvmm.observe.exhibit import Demonstration, Exhibit, Result, Scene
from papvmm.observe.record import Recorder, RunRecord
from papvmm.trace.events import MachineReset, VcpuEntered, VcpuLeft
from papvmm.trace.hub import Tracer
from papvmm.vpa.areas import VcpuAreas
from papvmm.vpa.dtl import Dispatch
from papvmm.vpa.layout import Area
from papvmm.vpa.levels import KVM

MEMORY = 16 << 20
STRIDE = 0x4000
BASE = 0x600000


class PlayedReboot:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.tracer = Tracer()
        self.door = HypervisorDoor(GuestMemory(MEMORY), self.clock, self.tracer)
        self.areas = [VcpuAreas(vcpu, KVM, 4096, self.door) for vcpu in (0, 1)]
        self.recorder = Recorder()
        self.recorder.listen(self.tracer, self.clock)

    def run(self, vcpu: int, instructions: int, why: str) -> None:
        generation = self.door.generation
        dispatch = Dispatch(
            tb=self.clock.ticks, pcpu=0, stolen=self.clock.ticks // 2, pc=0x400100, msr=1 << 63
        )
        self.areas[vcpu].enter(dispatch)
        self.tracer.emit(VcpuEntered(vcpu, generation, self.clock.icount, 0x400100))
        self.clock.count += instructions
        self.areas[vcpu].leave()
        self.tracer.emit(VcpuLeft(vcpu, generation, self.clock.icount, 0x400100, why))

    def register(self, vcpu: int) -> None:
        base = BASE + STRIDE * vcpu
        memory = self.door.memory
        memory.store_be(base + 4, 2, 1024)
        memory.store_be(base + 0x404, 4, 0x80)
        memory.store_be(base + 0x1004, 4, 4096)
        for kind, offset in ((Area.VPA, 0), (Area.SLB_SHADOW, 0x400), (Area.DTL, 0x1000)):
            assert self.areas[vcpu].register(kind, base + offset, vcpu, online=True) is None
            self.run(vcpu, 90, "hcall")

    def say(self, text: str) -> None:
        self.clock.count += 300
        self.recorder.print(text.encode() + b"\n")

    def kernel_a(self) -> None:
        self.run(0, 11_950, "hcall")
        for vcpu in (0, 1):
            self.register(vcpu)
        for turn in range(12):
            self.run(turn % 2, 1500 + 40 * turn, "cede" if turn % 3 else "slice")
        self.run(0, 700, "reset")

    def reset(self, *, keep: bool) -> None:
        for areas in self.areas if not keep else ():
            for kind, length in ((Area.SLB_SHADOW, 0), (Area.DTL, 48), (Area.VPA, 0)):
                assert areas.put(kind, 0, length) is None
        self.door.generation += 1
        policy = "keep" if keep else "unregister"
        self.tracer.emit(
            MachineReset(self.door.generation, self.clock.icount, "guest-reset", policy)
        )

    def kernel_b(self) -> None:
        self.run(0, 766, "hcall")
        self.run(1, 310, "cede")
        self.say(f"kernel B: 2 cpus, page tables from {BASE:#x} to {BASE + 2 * STRIDE:#x}")
        for word in range(BASE, BASE + 2 * STRIDE, 8):
            self.door.memory.store_be(word, 8, tables_entry(word))
        for turn in range(20):
            self.run(turn % 2, 2000, "cede")

    def report(self) -> None:
        memory = self.door.memory
        changed = [
            (word, memory.load_be(word, 8))
            for word in range(BASE, BASE + 2 * STRIDE, 8)
            if memory.load_be(word, 8) != tables_entry(word)
        ]
        for word, found in changed[:64]:
            expected = f"expected {tables_entry(word):016x}"
            self.say(f"kernel B: {word:#x}: {expected}, found {found:016x} in round 3")
        if changed:
            self.say(f"kernel B: {len(changed)} words changed")
        else:
            self.say("kernel B: memory intact")


def played_exhibit() -> Exhibit:
    """The result of ``papvmm demo`` as it would be if the played kernels were guests."""
    config = MachineConfig(memory_size=MEMORY, vcpus=2)
    harmed = Scene("keep", "areas kept at reset", config)
    cured = Scene("unregister", "areas unregistered at reset", config)
    story = "Kernel A registers areas and reboots; kernel B finds its memory changed."
    demonstration = Demonstration(
        "played", "a played reboot", story, "unregister them.", harmed, cured
    )
    return Exhibit(
        demonstration,
        result_of(harmed, played_reboot(keep=True)),
        result_of(cured, played_reboot(keep=False)),
    )


def result_of(scene: Scene, record: RunRecord) -> Result:
    return Result(scene, record, corruption_in(record), PoweredOff(), ())


def tables_entry(word: int) -> int:
    return 0xC000000000000186 + ((word - BASE) // 8 << 12)


def played_reboot(*, keep: bool) -> RunRecord:
    played = PlayedReboot()
    played.kernel_a()
    played.reset(keep=keep)
    played.kernel_b()
    played.report()
    return played.recorder.finish(played.door.memory)
