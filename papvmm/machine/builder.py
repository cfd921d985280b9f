"""From a configuration to a guest: the one place that knows what a machine is made of."""

import os
from typing import Final

import papvmm
from papvmm.boot.elf import LoadedImage, load_elf
from papvmm.boot.image import Places, load_image
from papvmm.clock import VirtualClock
from papvmm.engine.engine import Engine
from papvmm.isa.processors import cpu_model
from papvmm.isa.state import DARN_SEED
from papvmm.machine.compiler import Tell
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.engines import make_engines
from papvmm.machine.guest import Guest
from papvmm.memory.door import HypervisorDoor
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable, table_shift
from papvmm.papr.device_tree import completed, pseries
from papvmm.papr.fdt import flatten, unflatten
from papvmm.papr.hcalls import hypercalls
from papvmm.trace.hub import Tracer
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VcpuAreas
from papvmm.vpa.levels import level_named

_RTAS: Final = os.path.join(os.path.dirname(papvmm.__file__), "images/rtas.bin")


def boot(config: MachineConfig, tell: Tell | None = None) -> Guest:
    """Return a guest that is about to execute its first instruction."""
    guest = build(config, tell)
    guest.boot()
    return guest


def build(config: MachineConfig, tell: Tell | None = None) -> Guest:
    """Return a guest without anything in its RAM, none of whose vcpus has started.

    ``tell`` gets a line for people when an engine has something to say.
    """
    memory = GuestMemory(config.memory_size)
    hash_table = HashTable(table_shift(config.memory_size))
    door = HypervisorDoor(memory, VirtualClock(), Tracer())
    level, model = level_named(config.hv), cpu_model(config.cpu)
    vcpus = [
        Vcpu(vcpu_id, engine, VcpuAreas(vcpu_id, level, config.hv_page, door), model)
        for vcpu_id, engine in enumerate(engines(config, memory, hash_table, tell))
    ]
    return Guest(config, door, hash_table, vcpus, hypercalls(), load_kernel)


def engines(
    config: MachineConfig, memory: GuestMemory, hash_table: HashTable, tell: Tell | None
) -> list[Engine]:
    """Return the engines of all vcpus."""
    isa = cpu_model(config.cpu).isa
    made = make_engines(config.accel, memory, hash_table, config.vcpus, tell, isa=isa)
    for vcpu_id, engine in enumerate(made):
        engine.state.write(DARN_SEED, config.seed + vcpu_id)
    return made


def load_kernel(guest: Guest, kernel: File) -> LoadedImage:
    """Put an image, its initrd and the device tree into RAM, and start the boot vcpu there."""
    config = guest.config
    image = load_elf(kernel.name, kernel.data, config.kernel_addr)
    vcpu_ids = [vcpu.vcpu_id for vcpu in guest.vcpus]
    model = guest.vcpus[0].model

    given = None if config.dtb is None else unflatten(config.dtb.name, config.dtb.data)

    def describe(places: Places) -> bytes:
        if given is None:
            tree = pseries(config.memory_size, vcpu_ids, config.append, places, model)
            return flatten(tree)
        return flatten(completed(given, config.append, places))

    initrd = None if config.initrd is None else config.initrd.data
    with open(_RTAS, "rb") as file:
        rtas = file.read()
    info = load_image(guest.memory, image, initrd, rtas, describe)
    guest.vcpus[0].start(info.entry, info.r3, info.r4)
    return image
