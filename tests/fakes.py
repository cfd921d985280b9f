"""Small stand-ins for what a room needs of the rooms above it."""

from papvmm.clock import VirtualClock
from papvmm.devices.nvram import Nvram
from papvmm.devices.random_source import RandomSource
from papvmm.devices.rtc import Rtc
from papvmm.devices.vty import VTY_INTERRUPT, Vty
from papvmm.devices.xics import Xics
from papvmm.engine.exits import BudgetSpent, ExitReason
from papvmm.engine.inputs import set_external
from papvmm.engine.stops import Stop
from papvmm.engine.watch import Watch
from papvmm.isa.processors import cpu_model
from papvmm.isa.state import ArchState
from papvmm.memory.door import HypervisorDoor
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.trace.hub import Tracer
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VcpuAreas
from papvmm.vpa.levels import level_named


class IdleEngine:
    """An engine with registers that executes nothing."""

    def __init__(self) -> None:
        self.state = ArchState()
        self.breakpoints: set[int] = set()
        self.watchpoints: set[Watch] = set()

    def run(self, budget: int) -> ExitReason:
        return BudgetSpent()


class EverythingIsOdd:
    """An executor that leaves every instruction to the stepper."""

    def __init__(self, state):
        self.state = state
        self.breakpoints = set()
        self.watchpoints = set()

    def run(self, budget):
        return Stop.ODD


class Partition:
    """What a hypercall handler sees of a machine (HcallContext): vcpu 0 calls and is running.

    ``said`` collects what the guest writes to its console.
    """

    def __init__(
        self,
        *,
        vcpus: int = 2,
        memory_size: int = 0x10000,
        rtc_base: int = 0,
        hv: str = "kvm",
        hv_page: int = 4096,
        cpu: str = "power9",
    ) -> None:
        self.memory = GuestMemory(memory_size)
        self.hash_table = HashTable()
        self.clock = VirtualClock()
        self.door = HypervisorDoor(self.memory, self.clock, Tracer())
        level, model = level_named(hv), cpu_model(cpu)
        self.vcpus = [
            Vcpu(number, IdleEngine(), VcpuAreas(number, level, hv_page, self.door), model)
            for number in range(vcpus)
        ]
        for vcpu in self.vcpus:
            vcpu.power_on()
        self.caller = self.vcpus[0]
        self.caller.start(0x100, r3=0)
        self.caller.begin_turn()
        self.said = bytearray()
        servers = [vcpu.vcpu_id for vcpu in self.vcpus]
        self.xics = Xics(servers, (VTY_INTERRUPT,), self._drive)
        self.console = Vty(self.said.extend, lambda: self.xics.trigger(VTY_INTERRUPT))
        self.nvram = Nvram()
        self.rtc = Rtc(self.clock, rtc_base)
        self.random = RandomSource(1)

    def _drive(self, server: int, *, pending: bool) -> None:
        set_external(self.vcpus[server].state, pending=pending)

    def wake_due(self) -> None:
        """Nobody's decrementer is ever due."""

    def find_vcpu(self, vcpu_id: int) -> Vcpu | None:
        return next((vcpu for vcpu in self.vcpus if vcpu.vcpu_id == vcpu_id), None)
