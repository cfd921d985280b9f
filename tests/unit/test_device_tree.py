"""What kernels find in the tree: reference list of what kvm-unit-tests and Linux look at."""

from struct import unpack

import pytest

from papvmm.boot.image import Places, Range
from papvmm.isa.processors import cpu_model
from papvmm.papr.device_tree import HYPERTAS_FUNCTIONS, pseries
from papvmm.papr.fdt import DeviceTree, Node
from papvmm.papr.hcall import Hcall, HcallStatus
from papvmm.papr.hcalls import hypercalls
from tests.fakes import Partition

RTAS = Range(0xFFF000, 0xFFF014)
PLACES = Places(RTAS, Range(0xA00000, 0xA12345))


def tree(
    *,
    places: Places = PLACES,
    vcpu_ids: tuple[int, ...] = (0, 1, 5),
    bootargs: str = "console=hvc0 quiet",
    memory_size: int = 16 << 20,
    cpu: str = "power9",
) -> DeviceTree:
    return pseries(memory_size, vcpu_ids, bootargs, places, cpu_model(cpu))


def node(path: str, **how: object) -> Node:
    found = tree(**how).root.find(path)
    assert found is not None
    return found


def test_the_root_is_a_pseries_machine_with_two_cells_for_addresses_and_sizes():
    properties = tree().root.properties

    assert properties["compatible"] == b"IBM,pseries\0qemu,pseries\0"
    assert properties["device_type"] == b"chrp\0"
    assert properties["#address-cells"] == properties["#size-cells"] == b"\0\0\0\2"


def test_there_is_no_hypervisor_node_as_its_kvm_facilities_are_not_there():
    names = [child.name for child in tree().root.children]

    assert names == ["chosen", "rtas", "cpus", "memory@0", "vdevice", "interrupt-controller"]


def test_memory_is_one_range_from_0():
    memory = node("/memory@0")

    assert memory.properties["device_type"] == b"memory\0"
    assert unpack(">2Q", memory.properties["reg"]) == (0, 16 << 20)


def test_memory_and_processors_are_in_one_domain_at_the_reference_point():
    rtas = node("/rtas").properties

    assert unpack(">I", rtas["ibm,associativity-reference-points"]) == (1,)
    assert unpack(">2I", rtas["ibm,max-associativity-domains"]) == (1, 1)
    assert unpack(">2I", node("/memory@0").properties["ibm,associativity"]) == (1, 0)
    lists = [cpu.properties["ibm,associativity"] for cpu in node("/cpus").children]
    assert [unpack(">3I", domains) for domains in lists] == [(2, 0, 0), (2, 0, 1), (2, 0, 5)]
    assert node("/chosen").properties["ibm,architecture-vec-5"][5] == 0x80


def test_every_vcpu_is_a_cpu_node_with_its_server_number_and_clocks():
    cpus = node("/cpus")

    assert [cpu.name for cpu in cpus.children] == [f"PowerPC,POWER9@{n}" for n in (0, 1, 5)]
    last = cpus.children[2].properties
    assert last["device_type"] == b"cpu\0"
    assert last["reg"] == last["ibm,ppc-interrupt-server#s"] == b"\0\0\0\5"
    assert unpack(">I", last["timebase-frequency"]) == (512_000_000,)
    assert last["ibm,dec-bits"] == b"\0\0\0\x38"
    assert last["d-cache-line-size"] == last["i-cache-line-size"] == b"\0\0\0\x80"
    assert cpus.properties == {"#address-cells": b"\0\0\0\1", "#size-cells": b"\0\0\0\0"}


def test_pa_features_offer_little_endian_and_radix_but_no_transactions():
    header_and_features = node("/cpus").children[0].properties["ibm,pa-features"]

    assert (header_and_features[:2], len(header_and_features)) == (b"\x42\0", 68)
    assert (header_and_features[2 + 5], header_and_features[2 + 40]) == (0x80, 0x80)
    assert header_and_features[2 + 22] == 0


@pytest.mark.parametrize("cpu", ["power8", "power9"])
def test_every_vcpu_says_how_it_translates_by_a_hashed_page_table(cpu):
    properties = node("/cpus", cpu=cpu, memory_size=512 << 20).children[0].properties

    assert properties["ibm,pft-size"] == bytes.fromhex("00000000 00000016")
    assert properties["ibm,slb-size"] == properties["slb-size"] == b"\0\0\0\x20"
    assert properties["ibm,processor-segment-sizes"] == bytes.fromhex(
        "0000001c 00000028 ffffffff ffffffff"
    )
    assert properties["ibm,segment-page-sizes"] == bytes.fromhex(
        "0000000c 00000000 00000003  0000000c 00000000 00000010 00000007 00000018 00000038"
        "00000010 00000110 00000002  00000010 00000001 00000018 00000008"
        "00000018 00000100 00000001  00000018 00000000"
    )


@pytest.mark.parametrize(
    ("bootargs", "radix"),
    [
        ("console=hvc0 quiet", True),
        ("", True),
        ("a disable_radix b", False),
        ("disable_radix=1", False),
        ("disable_radix=yes", False),
        ("disable_radix=off", True),
        ("disable_radix=0", True),
        ("disable_radix=no", True),
    ],
)
def test_vector_5_is_of_radix_trees_unless_linux_would_not_ask_for_them(bootargs, radix):
    vector = node("/chosen", bootargs=bootargs).properties["ibm,architecture-vec-5"]

    assert len(vector) == vector[0] + 2 == 27
    assert (vector[24], vector[26]) == ((0x40, 0x40) if radix else (0, 0))


def test_vector_5_of_a_processor_without_radix_trees_has_none():
    vector = node("/chosen", cpu="power8").properties["ibm,architecture-vec-5"]

    assert (vector[24], vector[26]) == (0, 0)


def test_the_tree_names_the_boot_cpu():
    assert tree(vcpu_ids=(3, 0)).boot_cpuid == 3


def test_chosen_has_arguments_console_and_where_the_initrd_is():
    properties = node("/chosen").properties

    assert properties["bootargs"] == b"console=hvc0 quiet\0"
    assert properties["stdout-path"] == b"/vdevice/vty@71000000\0"
    assert unpack(">Q", properties["linux,initrd-start"]) == (0xA00000,)
    assert unpack(">Q", properties["linux,initrd-end"]) == (0xA12345,)


def test_chosen_mentions_no_initrd_without_one():
    properties = node("/chosen", places=Places(RTAS, None)).properties

    assert not [name for name in properties if "initrd" in name]


def test_rtas_has_its_place_which_is_reserved_and_one_token_a_service():
    properties = node("/rtas").properties

    assert unpack(">2I", properties["linux,rtas-base"] + properties["rtas-size"]) == (0xFFF000, 20)
    assert "linux,rtas-entry" not in properties
    assert tree().reservations == ((0xFFF000, 20),)
    tokens = {name: unpack(">I", properties[name])[0] for name in ("start-cpu", "power-off")}
    assert tokens == {"start-cpu": 0x2006, "power-off": 0x2003}


def test_every_advertised_set_of_hypercalls_is_there():
    sets = {
        "hcall-pft": (
            Hcall.H_ENTER, Hcall.H_REMOVE, Hcall.H_READ, Hcall.H_PROTECT, Hcall.H_CLEAR_MOD,
            Hcall.H_CLEAR_REF,
        ),
        "hcall-bulk": (Hcall.H_BULK_REMOVE,),
        "hcall-term": (Hcall.H_PUT_TERM_CHAR, Hcall.H_GET_TERM_CHAR),
        "hcall-interrupt": (Hcall.H_CPPR, Hcall.H_EOI, Hcall.H_IPI, Hcall.H_IPOLL, Hcall.H_XIRR),
        "hcall-splpar": (Hcall.H_REGISTER_VPA, Hcall.H_CEDE, Hcall.H_CONFER, Hcall.H_PROD),
        "hcall-set-mode": (Hcall.H_SET_MODE,),
        "hcall-sprg0": (Hcall.H_SET_SPRG0,),
        "hcall-copy": (Hcall.H_PAGE_INIT,),
        "hcall-random": (Hcall.H_RANDOM,),
        "hcall-vphn": (Hcall.H_HOME_NODE_ASSOCIATIVITY,),
    }  # fmt: skip
    advertised = node("/rtas").properties["ibm,hypertas-functions"].split(b"\0")[:-1]

    answers = [
        hypercalls().dispatch(Partition(), hcall, (1, *(0,) * 8)).status
        for name in advertised
        for hcall in sets[name.decode()]
    ]

    assert HYPERTAS_FUNCTIONS
    assert HcallStatus.H_FUNCTION not in answers


def test_the_console_is_a_vty_at_its_unit_address():
    vty = node("/vdevice/vty@71000000")

    assert vty.properties["compatible"] == b"hvterm1\0"
    assert vty.properties["reg"] == bytes.fromhex("71000000")
