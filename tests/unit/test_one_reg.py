"""ONE_REG ids, errors, and the registers a VMM migrates."""

import errno

import pytest

from papvmm.errors import BadInput
from papvmm.isa.state import (
    CELLS,
    DEC_EXPIRY,
    FPSCR,
    IC_OFFSET,
    LPCR,
    PSSCR,
    PURR_OFFSET,
    STATE_SIZE,
    TB_OFFSET,
    VSCR,
    VTB_OFFSET,
)
from papvmm.kvmapi.one_reg import get_one_reg, register_id, register_name, set_one_reg
from papvmm.kvmapi.registers import REGISTERS, OneRegError
from tests.fakes import Partition

ONES = 0xFFFF_FFFF_FFFF_FFFF

# The ids as uapi/asm/kvm.h makes them.
IDS = {
    "HIOR": 0x1030_0000_0000_0001,
    "DSCR": 0x1030_0000_0000_0009,
    "PURR": 0x1030_0000_0000_000A,
    "SPURR": 0x1030_0000_0000_000B,
    "DAR": 0x1030_0000_0000_000C,
    "DSISR": 0x1020_0000_0000_000D,
    "AMR": 0x1030_0000_0000_000E,
    "UAMOR": 0x1030_0000_0000_000F,
    "MMCR0": 0x1030_0000_0000_0010,
    "MMCR2": 0x1030_0000_0000_0013,
    "SIAR": 0x1030_0000_0000_0015,
    "SDAR": 0x1030_0000_0000_0016,
    "PMC1": 0x1020_0000_0000_0018,
    "PMC6": 0x1020_0000_0000_001D,
    "FPR31": 0x1030_0000_0000_003F,
    "FPR0": 0x1030_0000_0000_0020,
    "VR0": 0x1040_0000_0000_0040,
    "VR7": 0x1040_0000_0000_0047,
    "VSR0": 0x1040_0000_0000_0060,
    "VSR31": 0x1040_0000_0000_007F,
    "FPSCR": 0x1030_0000_0000_0080,
    "VSCR": 0x1020_0000_0000_0081,
    "VPA_ADDR": 0x1030_0000_0000_0082,
    "VPA_SLB": 0x1040_0000_0000_0083,
    "VPA_DTL": 0x1040_0000_0000_0084,
    "TB_OFFSET": 0x1030_0000_0000_009C,
    "IAMR": 0x1030_0000_0000_009F,
    "FSCR": 0x1030_0000_0000_00A3,
    "PSPB": 0x1020_0000_0000_00A4,
    "BESCR": 0x1030_0000_0000_00A7,
    "TAR": 0x1030_0000_0000_00A8,
    "DPDES": 0x1030_0000_0000_00A9,
    "IC": 0x1030_0000_0000_00AD,
    "VTB": 0x1030_0000_0000_00AE,
    "PID": 0x1030_0000_0000_00B2,
    "VRSAVE": 0x1020_0000_0000_00B4,
    "LPCR": 0x1020_0000_0000_00B5,
    "LPCR_64": 0x1030_0000_0000_00B5,
    "PPR": 0x1030_0000_0000_00B6,
    "ARCH_COMPAT": 0x1020_0000_0000_00B7,
    "WORT": 0x1030_0000_0000_00B9,
    "TIDR": 0x1030_0000_0000_00BC,
    "PSSCR": 0x1030_0000_0000_00BD,
    "DEC_EXPIRY": 0x1030_0000_0000_00BE,
}
AREAS = {IDS["VPA_ADDR"], IDS["VPA_SLB"], IDS["VPA_DTL"]}


def snapshot(vcpu):
    areas = vcpu.areas
    requests = [(a.next_gpa, a.length, a.update_pending) for a in (areas.vpa, areas.dtl)]
    return bytes(vcpu.state.buffer[:STATE_SIZE]), requests, vcpu.arch_compat


@pytest.mark.parametrize(("name", "number"), IDS.items())
def test_ids_are_those_of_the_header(name, number):
    assert register_id(name) == number
    assert register_id(f"KVM_REG_PPC_{name}") == number
    assert register_name(number) == f"KVM_REG_PPC_{name}"


def test_an_id_may_be_given_as_a_number_and_be_unknown():
    assert register_id("0x1030000000000fff") == 0x1030_0000_0000_0FFF
    assert register_name(0x1030_0000_0000_0FFF) == "0x1030000000000fff"
    assert register_id("vpa_addr") == IDS["VPA_ADDR"]


@pytest.mark.parametrize("text", ["", "VPA", "KVM_REG_PPC_", "-1", "0x1" + "0" * 16, "1.5"])
def test_what_names_no_register(text):
    with pytest.raises(BadInput, match="ONE_REG"):
        register_id(text)


def test_no_id_is_in_the_table_twice():
    names = [register.name for register in REGISTERS.values()]

    assert len(set(names)) == len(names)
    assert all(register.id == reg_id for reg_id, register in REGISTERS.items())


@pytest.mark.parametrize(
    "reg_id",
    [
        0x1020_0000_0000_0082,
        0x1040_0000_0000_0082,
        0x1030_0000_0000_0083,
        0x1030_0000_0000_0084,
        0x1050_0000_0000_0084,
        0x10F0_0000_0000_0082,
        0x2030_0000_0000_0082,
        0x0030_0000_0000_0082,
        0x1030_0000_0000_0FFF,
        0x1030_0000_0000_000D,
        0x1020_0000_0000_001E,
        0x1030_0000_8000_0082,
        0,
        ONES,
    ],
)
def test_the_whole_id_must_match(reg_id):
    vcpu = Partition().caller
    before = snapshot(vcpu)

    with pytest.raises(OneRegError) as get:
        get_one_reg(vcpu, reg_id)
    with pytest.raises(OneRegError) as put:
        set_one_reg(vcpu, reg_id, (0x2000, 96))

    assert (get.value.errno, put.value.errno) == (errno.EINVAL, errno.EINVAL)
    assert snapshot(vcpu) == before


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("VPA_ADDR", ()),
        ("VPA_ADDR", (0x2000, 640)),
        ("VPA_SLB", (0x2000,)),
        ("VPA_DTL", (0x2000, 96, 0)),
        ("DAR", (1, 2)),
    ],
)
def test_a_payload_of_another_size_is_refused(name, payload):
    vcpu = Partition().caller
    before = snapshot(vcpu)

    with pytest.raises(OneRegError) as refusal:
        set_one_reg(vcpu, IDS[name], payload)

    assert refusal.value.errno == errno.EINVAL
    assert snapshot(vcpu) == before


PLAIN = [
    register
    for register in REGISTERS.values()
    if register.name.lower() in CELLS
    and register.name not in ("LPCR", "PSSCR", "TB_OFFSET", "PID", "CTRL")
]


@pytest.mark.parametrize("register", PLAIN, ids=lambda register: register.name)
def test_plain_registers_hold_what_is_set(register):
    vcpu = Partition().caller
    value = 0x8123_4567_89AB_CDEF & ((1 << register.bits) - 1)

    set_one_reg(
        vcpu, register.id, (0xFFFF_FFFF_0000_0000 | value,) if register.bits == 32 else (value,)
    )

    assert get_one_reg(vcpu, register.id) == (value,)
    assert vcpu.state.read(CELLS[register.name.lower()]) == value


def test_there_are_plain_registers_to_migrate():
    assert {"DAR", "DSISR", "AMR", "VRSAVE", "TAR", "PPR", "DSCR", "DEC_EXPIRY"} <= {
        register.name for register in PLAIN
    }


BUILT = [register for register in REGISTERS.values() if register.number not in range(0x20, 0x82)]


@pytest.mark.parametrize("register", BUILT, ids=lambda register: register.name)
def test_a_register_takes_back_what_it_gives(register):
    vcpu = Partition().caller
    before = snapshot(vcpu)

    set_one_reg(vcpu, register.id, get_one_reg(vcpu, register.id))

    assert snapshot(vcpu)[0] == before[0]


def test_hior_is_0():
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["HIOR"], (0,))
    with pytest.raises(OneRegError) as refusal:
        set_one_reg(vcpu, IDS["HIOR"], (0x100,))

    assert refusal.value.errno == errno.EINVAL
    assert get_one_reg(vcpu, IDS["HIOR"]) == (0,)


@pytest.mark.parametrize(
    ("offset", "rounded"),
    [(0, 0), (1, 1 << 24), (1 << 24, 1 << 24), ((1 << 24) + 1, 2 << 24), (ONES, 0)],
)
def test_the_time_base_offset_is_rounded_up(offset, rounded):
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["TB_OFFSET"], (offset,))

    assert get_one_reg(vcpu, IDS["TB_OFFSET"]) == (rounded,)
    assert vcpu.state.read(TB_OFFSET) == rounded


def test_lpcr_changes_in_the_bits_a_vmm_may_change():
    vcpu = Partition().caller
    vcpu.state.write(LPCR, 0)

    set_one_reg(vcpu, IDS["LPCR_64"], (ONES,))

    # DPFD, ILE, AIL, LD and TC.
    assert get_one_reg(vcpu, IDS["LPCR_64"]) == (0x0070_0000_0382_0200,)
    assert get_one_reg(vcpu, IDS["LPCR"]) == (0x0382_0200,)


def test_a_power8_has_no_large_decrementer_to_switch_on():
    vcpu = Partition(cpu="power8").caller

    set_one_reg(vcpu, IDS["LPCR"], (0x0382_0200,))

    assert get_one_reg(vcpu, IDS["LPCR"]) == (0x0380_0200,)


def test_the_short_lpcr_leaves_the_upper_half():
    vcpu = Partition().caller
    set_one_reg(vcpu, IDS["LPCR_64"], (ONES,))

    set_one_reg(vcpu, IDS["LPCR"], (0x0200_0000,))

    assert get_one_reg(vcpu, IDS["LPCR_64"]) == (0x0070_0000_0200_0000,)


def test_psscr_changes_in_the_bits_a_guest_sees():
    vcpu = Partition().caller
    vcpu.state.write(PSSCR, 0)

    set_one_reg(vcpu, IDS["PSSCR"], (ONES,))

    assert vcpu.state.read(PSSCR) == 0xF000_0000_0000_03FF


@pytest.mark.parametrize(
    ("name", "offset", "passed"),
    [("PURR", PURR_OFFSET, 512), ("SPURR", CELLS["spurr_offset"], 512), ("VTB", VTB_OFFSET, 512),
     ("IC", IC_OFFSET, 1000)],
)  # fmt: skip
def test_counters_run_on_from_what_is_set(name, offset, passed):
    partition = Partition()
    partition.clock.count = 1_000_000
    set_one_reg(partition.caller, IDS[name], (77,))

    partition.clock.count += 1000

    assert get_one_reg(partition.caller, IDS[name]) == (77 + passed,)
    assert partition.caller.state.read(offset) != 77


def test_the_decrementers_expiry_is_in_the_guests_time_base():
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["DEC_EXPIRY"], (0x1234,))

    assert vcpu.state.read(DEC_EXPIRY) == 0x1234


def test_a_vsr_is_in_the_order_of_a_little_endian_hosts_memory():
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["VSR31"], (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))

    assert vcpu.state.vsr(31) == 0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100
    assert get_one_reg(vcpu, IDS["FPR31"]) == (0x0F0E_0D0C_0B0A_0908,)


def test_a_fpr_is_the_high_doubleword_of_its_vsr():
    vcpu = Partition().caller
    set_one_reg(vcpu, IDS["VSR0"], (1, 2))

    set_one_reg(vcpu, IDS["FPR0"], (3,))

    assert get_one_reg(vcpu, IDS["VSR0"]) == (1, 3)


def test_vrs_are_the_upper_vsrs():
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["VR7"], (1, 2))

    assert vcpu.state.vsr(39) == 2 << 64 | 1


@pytest.mark.parametrize(("name", "cell"), [("FPSCR", FPSCR), ("VSCR", VSCR)])
def test_status_and_control_registers_of_fp_and_vmx(name, cell):
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS[name], (0x1_0001,))

    assert vcpu.state.read(cell) == 0x1_0001


def test_a_vcpu_is_compatible_with_what_it_is():
    vcpu = Partition().caller

    set_one_reg(vcpu, IDS["ARCH_COMPAT"], (0x0F00_0005,))
    with pytest.raises(OneRegError) as refusal:
        set_one_reg(vcpu, IDS["ARCH_COMPAT"], (0x0F00_0004,))

    assert refusal.value.errno == errno.EINVAL
    assert get_one_reg(vcpu, IDS["ARCH_COMPAT"]) == (0x0F00_0005,)


def test_an_error_names_its_errno():
    with pytest.raises(OneRegError, match="EINVAL: there is no register 0x1030000000000fff"):
        get_one_reg(Partition().caller, 0x1030_0000_0000_0FFF)
