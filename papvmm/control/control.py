"""What the commands of a monitor act on: QMP's, HMP's and the debugger's."""

from dataclasses import dataclass, field

from papvmm.control.dump.job import Dumps
from papvmm.control.migration.migration import Migration
from papvmm.control.received_files import ReceivedFiles
from papvmm.control.snapshot.save import Saves
from papvmm.errors import PapvmmError
from papvmm.machine.machine import Machine
from papvmm.machine.missing import Asked, Missing
from papvmm.vcpu.vcpu import Vcpu


class NoSuchVcpu(PapvmmError):
    """A command names a vcpu the machine doesn't have."""


@dataclass(frozen=True, slots=True)
class Control:
    """A machine, its name (empty if it has none), dumps, migrations and saves, and files received.

    The files are the commander's. ``missing`` knows what the guest asked for in vain, if somebody
    has listened for that.
    """

    machine: Machine
    name: str = ""
    missing: Missing | None = None
    dumps: Dumps = field(default_factory=Dumps)
    files: ReceivedFiles = field(default_factory=ReceivedFiles)
    migration: Migration = field(default_factory=Migration)
    saves: Saves = field(default_factory=Saves)

    @property
    def asked_in_vain(self) -> tuple[Asked, ...]:
        """Hypercalls and RTAS calls that the guest asked for and there are not."""
        return () if self.missing is None else self.missing.asked

    def vcpu(self, vcpu_id: int) -> Vcpu:
        """Return the vcpu with this id; NoSuchVcpu if there is none."""
        guest = self.machine.guest
        vcpu = guest.find_vcpu(vcpu_id)
        if vcpu is None:
            known = ", ".join(str(vcpu.vcpu_id) for vcpu in guest.vcpus)
            raise NoSuchVcpu(f"there is no vcpu {vcpu_id}; there is {known}")
        return vcpu
