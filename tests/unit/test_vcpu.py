"""A vcpu from power-on to start, stop and start again."""

import pytest

from papvmm.clock import ticks_at
from papvmm.isa.msr import MSR_ME, MSR_SF
from papvmm.isa.state import (
    CELLS,
    CIA,
    DARN_COUNT,
    DEC_EXPIRY,
    GPR,
    LPCR,
    LPCR_ILE,
    LPCR_LD,
    MSR,
    PIR,
    PVR,
    RESERVE_SIZE,
    SPRG0,
    TB_OFFSET,
)
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState
from tests.fakes import Partition

LINES_OF_POWER9 = 0x004E


def used_vcpu() -> Vcpu:
    """Return vcpu 1, every register of which has been used."""
    vcpu = Partition().vcpus[1]
    for cell in CELLS.values():
        for index in range(cell.count):
            vcpu.state.write(cell, 0x0123_4567_89AB_CDEF, index)
    vcpu.areas.door.clock.count = 1_000_000
    vcpu.state.write(TB_OFFSET, 77)
    return vcpu


def test_power_on_clears_every_register_but_identity_and_time():
    vcpu = used_vcpu()

    vcpu.power_on()

    left = {
        cell.name: vcpu.state.read(cell)
        for cell in CELLS.values()
        if any(vcpu.state.read(cell, index) for index in range(cell.count))
    }
    assert left.keys() == {
        "msr", "pvr", "pir", "lpcr", "mmcr0", "dec_expiry", "now", "tb_offset", "purr_offset",
        "spurr_offset", "vtb_offset", "ic_offset", "darn_seed", "darn_count",
    }  # fmt: skip
    assert (left["msr"], left["pir"], left["lpcr"]) == (MSR_SF | MSR_ME, 1, LPCR_LD)
    assert (left["now"], left["tb_offset"]) == (1_000_000, 77)
    assert left["pvr"] >> 16 == LINES_OF_POWER9
    assert vcpu.run_state is VcpuRunState.STOPPED


def test_the_decrementer_is_positive_after_power_on():
    vcpu = used_vcpu()

    vcpu.power_on()

    assert vcpu.state.read(DEC_EXPIRY) - (ticks_at(1_000_000) + 77) == 0x7FFF_FFFF


@pytest.mark.parametrize(("lpcr", "expected"), [(LPCR_LD, 0), (LPCR_LD | LPCR_ILE, LPCR_ILE)])
def test_a_vcpu_starts_with_the_interrupt_endianness_of_the_partition(lpcr, expected):
    vcpu = used_vcpu()
    vcpu.power_on()
    vcpu.state.write(LPCR, lpcr)

    vcpu.start(0x4000, r3=3, r4=4)

    assert vcpu.state.read(LPCR) & LPCR_ILE == expected
    assert vcpu.state.read(MSR) == MSR_SF | MSR_ME


def test_a_reset_makes_interrupts_big_endian_again():
    vcpu = used_vcpu()
    vcpu.state.write(LPCR, LPCR_LD | LPCR_ILE)

    vcpu.power_on()

    assert vcpu.state.read(LPCR) == LPCR_LD


def test_a_vcpu_that_is_started_again_has_nothing_left_from_before():
    vcpu = used_vcpu()
    vcpu.prodded = True
    vcpu.stop()

    vcpu.start(0x4000, r3=3)

    state = vcpu.state
    assert [state.read(GPR, index) for index in range(5)] == [0, 0, 0, 3, 0]
    assert (state.read(CIA), state.read(SPRG0), state.read(RESERVE_SIZE)) == (0x4000, 0, 0)
    assert (state.read(PIR), state.read(PVR) >> 16) == (1, LINES_OF_POWER9)
    assert state.read(DARN_COUNT)
    assert vcpu.cede()


def test_only_a_vcpu_in_a_cede_can_be_woken():
    vcpu = used_vcpu()
    vcpu.power_on()

    woke = [vcpu.wake()]
    vcpu.start(0x4000, r3=0)
    woke.append(vcpu.wake())
    vcpu.cede()
    woke += [vcpu.wake(), vcpu.wake()]

    assert woke == [False, False, True, False]
