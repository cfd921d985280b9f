"""A guest that comes from somewhere else brings the configuration it was made with."""

from papvmm.isa.state import DARN_SEED
from papvmm.machine.config import MachineConfig
from papvmm.machine.guest import Guest


def adopt(guest: Guest, config: MachineConfig) -> None:
    """Make a guest that has not started one of another configuration.

    The machines must be alike: as much RAM, as many vcpus, the same processor and hypervisor.
    """
    guest.config = config
    guest.scheduler.slice_counts = config.slice_counts
    guest.rtc.set_base(config.rtc_base)
    guest.random.seed = config.seed
    for vcpu in guest.vcpus:
        vcpu.state.write(DARN_SEED, config.seed + vcpu.vcpu_id)
