"""Processors by name, and what a guest finds of the one it has."""

from struct import unpack

import pytest

from papvmm.boot.image import Places, Range
from papvmm.errors import BadUsage
from papvmm.isa.processors import CPU_ALIASES, CPU_MODELS, cpu_list, cpu_model
from papvmm.isa.state import LPCR, LPCR_LD, PVR
from papvmm.machine.config import MachineConfig
from papvmm.papr.device_tree import pseries
from tests.fakes import Partition
from tests.hcalls import status

H_FUNCTION = -2
H_REGISTER_PROC_TBL = 0x37C

QEMU_PVRS = {
    "power8e_v2.1": 0x004B0201, "power8nvl_v1.0": 0x004C0100, "power8_v2.0": 0x004D0200,
    "power9_v2.0": 0x004E1200, "power9_v2.2": 0x004E1202, "power10_v2.0": 0x00800200,
}  # fmt: skip
"""From QEMU's list; its version 8.2 added power9_v2.2."""


def cpu_node(name):
    places = Places(Range(0xFFF000, 0xFFF014), None)
    root = pseries(16 << 20, (0,), "", places, cpu_model(name)).root
    (cpu,) = root.find("/cpus").children
    return cpu, root.find("/chosen").properties["ibm,architecture-vec-5"]


def test_names_and_versions_are_qemus():
    assert {model.name: model.pvr for model in CPU_MODELS} == QEMU_PVRS


@pytest.mark.parametrize("name", ["POWER8", "power8", "Power8_V2.0"])
def test_a_name_is_found_in_upper_and_lower_case(name):
    assert cpu_model(name).pvr == 0x004D0200


def test_every_alias_and_version_is_listed_for_people():
    words = cpu_list().split()

    assert all(name in words for name in (*CPU_ALIASES, *QEMU_PVRS))


def test_an_unknown_processor_is_a_users_mistake_that_names_the_known_ones():
    with pytest.raises(BadUsage, match=r"no processor .POWER7.; .*power8, power9, power10"):
        MachineConfig(cpu="POWER7")


@pytest.mark.parametrize(
    ("name", "pvr", "large"), [("power8", 0x4D0200, 0), ("power10", 0x800200, LPCR_LD)]
)
def test_a_vcpu_has_its_processors_version_and_decrementer(name, pvr, large):
    state = Partition(cpu=name).caller.state

    assert state.read(PVR) == pvr
    assert state.read(LPCR) & LPCR_LD == large


@pytest.mark.parametrize(
    ("name", "node", "version", "size"),
    [
        ("power8", "PowerPC,POWER8@0", 0x0F000004, 24),
        ("power9", "PowerPC,POWER9@0", 0x0F000005, 66),
        ("power10", "PowerPC,POWER10@0", 0x0F000006, 66),
    ],
)
def test_the_device_tree_says_which_processor_it_is(name, node, version, size):
    cpu, _ = cpu_node(name)

    assert cpu.name == node
    assert unpack(">I", cpu.properties["cpu-version"]) == (version,)
    assert cpu.properties["ibm,pa-features"][:2] == bytes((size, 0))
    assert len(cpu.properties["ibm,pa-features"]) == size + 2


def test_a_power8_has_no_radix_trees_and_a_decrementer_of_32_bits():
    cpu, vector_5 = cpu_node("power8")

    assert "ibm,processor-radix-AP-encodings" not in cpu.properties
    assert "ibm,dec-bits" not in cpu.properties
    assert vector_5[24:] == bytes(3)


def test_a_power8_registers_no_process_table():
    assert status(Partition(cpu="power8"), H_REGISTER_PROC_TBL, 0x1D, 0x1000, 0, 0) == H_FUNCTION
