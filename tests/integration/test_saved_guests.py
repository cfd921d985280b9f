"""Saved guests: what a guest can see of having been saved and restored."""

import random

import pytest

from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import save
from papvmm.errors import BadInput
from papvmm.isa.encode import assemble
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_FP, MSR_HV, MSR_ME
from papvmm.isa.softfloat.fpscr import FI, XX
from papvmm.isa.state import CELLS, FPSCR, LPCR, MSR, PVR, SRR1, TB_OFFSET, XER_LOW
from papvmm.kvmapi.one_reg import get_one_reg, register_id
from papvmm.kvmapi.registers import LPCR_WRITABLE
from papvmm.machine.config import AreasOnReset
from papvmm.machine.outcome import PoweredOff
from papvmm.trace.events import HvWrite
from papvmm.vpa.layout import Area
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running, hcall
from tests.saved import FOREVER, booted, changed, listened_to, registers, run_to_exit

VPA, SLB, DTL = 0x8000, 0x8400, 0x9000
LAST_OPERATION = ("fp_kind", "fp_a", "fp_b", "fp_c", "fp_cc")
UNSAVED = ("fault_ea", "darn_seed", "pvr", "pir", "tir", "cir", *LAST_OPERATION)
"""What follows from the machine: its seed, its processors' names; and what no guest sees."""


def restored(guest, tmp_path):
    assert save(guest, tmp_path / "saved") == ()
    return load(tmp_path / "saved")


@pytest.mark.parametrize("icount", range(1_000, 38_000, 6_000))
def test_smp_goes_on_as_if_it_had_not_been_saved(tmp_path, icount):
    guest, said = booted("smp.elf", vcpus=2)
    run_to_exit(guest, icount)
    said_before = len(said)
    copy = restored(guest, tmp_path)
    said_by_copy = listened_to(copy)

    assert guest.run(FOREVER) == copy.run(FOREVER) == PoweredOff()

    assert said_by_copy == said[said_before:]
    assert copy.clock.count == guest.clock.count
    assert copy.clock.icount == guest.clock.icount
    yield_counts = {area.gpa + 0x100 for area in pinned(guest, Area.VPA)}
    assert changed(guest, copy) <= yield_counts


def pinned(guest, kind):
    return [area for vcpu in guest.vcpus if (area := vcpu.areas.area(kind).pinned)]


def test_a_guest_without_areas_goes_on_to_the_same_registers(tmp_path):
    text = f"""
        li 20,500
        {hcall(0x300)}; xor 21,21,4
        darn 22,1; add 21,21,22
        mfspr 23,268; add 21,21,23
        mfspr 23,309; add 21,21,23
        mfspr 23,22; add 21,21,23
        lwarx 24,0,25; addi 24,24,1; {hcall(0x7770)}; stwcx. 24,0,25
        addi 20,20,-1; cmpdi 20,0; bne -72
    """
    guest = guest_running(f"{text}; {SPIN}", slice_counts=777)
    guest.console.feed(b"keys")
    run_to_exit(guest, 3_000)
    copy = restored(guest, tmp_path)

    outcomes = guest.run(20_000), copy.run(20_000)

    assert outcomes[0] == outcomes[1]
    assert registers(copy) == registers(guest)
    assert changed(guest, copy) == set()


def test_a_reservation_is_still_held(tmp_path):
    guest = guest_running(f"li 5,0x2000; lwarx 6,0,5; {hcall(0x7770)}; stwcx. 6,0,5; {SPIN}")
    run_to_exit(guest, 1)
    copy = restored(guest, tmp_path)

    copy.run(10)

    assert copy.vcpus[0].state.cr >> 28 & 2


def test_every_register_of_a_vcpu_comes_back(tmp_path):
    generator = random.Random(1)
    guest = guest_running(SPIN, vcpus=2)
    for vcpu in guest.vcpus:
        for cell in CELLS.values():
            if cell.name not in UNSAVED:
                for index in range(min(cell.count, 32)):
                    vcpu.state.write(cell, generator.getrandbits(64), index)
        state = vcpu.state
        state.write(MSR, state.read(MSR) & ~MSR_HV | MSR_ME)
        state.write(LPCR, state.read(LPCR) & LPCR_WRITABLE)
        state.write(XER_LOW, state.read(XER_LOW) & 0x3FFFF)
        state.write(TB_OFFSET, state.read(TB_OFFSET) >> 24 << 24)

    copy = restored(guest, tmp_path)

    assert registers(copy) == registers(guest)


def test_the_hashed_page_table_comes_back_and_goes_at_a_reset(tmp_path):
    guest = guest_running(SPIN)
    table = guest.hash_table
    table.enter(0, 0x1001, 0x2192)
    table.enter(table.slots - 1, 0x3003, 0x4192)

    copy = restored(guest, tmp_path)

    assert copy.hash_table.content[:] == table.content[:]
    assert copy.hash_table.entry(table.slots - 1) == (0x3003, 0x4192)
    copy.reset("test")
    assert copy.hash_table.content[:] == bytes(len(table.content))


def test_what_fpscr_says_of_the_last_operation_comes_back(tmp_path):
    guest = guest_running(f"fdiv 4,1,2; {hcall(0x7770)}; {SPIN}")
    state = guest.vcpus[0].state
    state.write(MSR, state.read(MSR) | MSR_FP)
    state.write(FPSCR, XX)
    state.set_vsr(1, 0xBFF << 116)
    state.set_vsr(2, 0x4008 << 112)
    run_to_exit(guest, 1)

    copy = restored(guest, tmp_path)

    assert copy.vcpus[0].state.vsr(4) >> 64 == 0xBFD5_5555_5555_5555
    assert get_one_reg(copy.vcpus[0], register_id("FPSCR")) == (XX | FI | 0x8 << 12,)


def test_a_guest_comes_back_on_its_processor(tmp_path):
    guest = guest_running(f"cnttzd 4,3; {SPIN}", cpu="power8_v2.0")
    guest.memory.store_be(Interrupt.PROGRAM, 4, assemble("b ."))

    copy = restored(guest, tmp_path)

    state = copy.vcpus[0].state
    assert state.read(PVR) == 0x004D_0200
    run_to_exit(copy, 1)
    assert state.read(SRR1) & 0x783F_0000 == 0x8_0000


def test_turns_timers_and_devices_come_back(tmp_path):
    guest, _ = booted("smp.elf", vcpus=4, seed=7, rtc_base=1_000_000)
    run_to_exit(guest, 20_000)
    guest.rtc.set(guest.rtc.now + 5_000_000_000)
    guest.random.draw()
    guest.console.feed(b"keys")
    guest.vcpus[3].prodded = True

    copy = restored(guest, tmp_path)

    assert copy.config == guest.config
    assert (copy.clock.count, copy.clock.warped) == (guest.clock.count, guest.clock.warped)
    assert copy.rtc.now == guest.rtc.now
    assert copy.random.draw() == guest.random.draw()
    assert copy.console.read(16) == b"keys"
    assert copy.next_timer() == guest.next_timer()
    for mine, other in zip(copy.vcpus, guest.vcpus, strict=True):
        assert mine.run_state is other.run_state
        assert mine.prodded == other.prodded
        assert mine.stolen_counts == other.stolen_counts


def registered(guest):
    """Have vcpu 0 of a guest registered with everything, and enter it."""
    memory, areas = guest.memory, guest.vcpus[0].areas
    for kind, gpa, width, length in (
        (Area.VPA, VPA, 2, 1024),
        (Area.SLB_SHADOW, SLB, 4, 128),
        (Area.DTL, DTL, 4, 480),
    ):
        memory.store_be(gpa + 4, width, length)
        assert areas.register(kind, gpa, 0, online=True) is None
    run_to_exit(guest, 100)
    return guest


@pytest.mark.parametrize("hv", ["kvm", "kvm-3.7", "kvm-power8"])
def test_areas_are_registered_anew_and_start_again_at_the_next_entry(tmp_path, hv):
    guest = registered(guest_running(SPIN, hv=hv, slice_counts=50))
    memory = guest.memory
    counted, logged = memory.load_be(VPA + 0x100, 4), memory.load_be(VPA + 0x218, 8)
    copy = restored(guest, tmp_path)
    writes = []
    copy.door.tracer.subscribe(HvWrite, writes.append)
    before = copy.memory.read(VPA, 0x1000)
    copy.next_turn()

    copy.advance(copy.clock.count + 1)

    assert (counted > 2, logged > 1) == (True, True)
    assert copy.memory.read(VPA, 0x100) == before[:0x100]
    assert copy.memory.load_be(VPA + 0x100, 4) == 2
    assert copy.memory.load_be(VPA + 0x218, 8) == 1
    assert [write.new for write in writes if write.field == "lppaca.yield_count"] == [
        (1).to_bytes(4, "big"),
        (2).to_bytes(4, "big"),
    ]
    assert {write.registration.door for write in writes} == {"ONE_REG"}
    assert [write.gpa for write in writes if write.area == "DTL"] == [DTL]


def test_by_papr_areas_are_initialised_when_they_are_registered(tmp_path):
    guest = registered(guest_running(SPIN, hv="papr", slice_counts=50))

    copy = restored(guest, tmp_path)

    assert copy.vcpus[0].areas.vpa.pinned.gpa == VPA
    assert copy.memory.load_be(VPA + 0x100, 4) == guest.memory.load_be(VPA + 0x100, 4)


def test_what_was_only_requested_is_requested_again(tmp_path):
    guest = guest_running(SPIN)
    guest.memory.store_be(VPA + 4, 2, 640)
    guest.vcpus[0].areas.register(Area.VPA, VPA, 0, online=True)

    copy = restored(guest, tmp_path)

    assert copy.vcpus[0].areas.vpa.update_pending
    assert copy.vcpus[0].areas.vpa.pinned is None
    assert copy.memory.load_be(VPA + 0x100, 4) == 0


def test_before_one_reg_knew_the_areas_they_are_left_behind_and_the_user_is_told(tmp_path):
    guest = registered(guest_running(SPIN, hv="kvm-3.6", slice_counts=50))

    notes = save(guest, tmp_path / "saved")
    copy = load(tmp_path / "saved")

    assert len(notes) == 1
    assert "kvm-3.6" in notes[0]
    assert copy.vcpus[0].areas.vpa.next_gpa == 0


def test_the_guest_sees_its_log_and_its_yield_count_start_again(tmp_path):
    guest, _ = booted("hibernate.elf", vcpus=2)
    run_to_exit(guest, 400_000)
    copy = restored(guest, tmp_path)
    said = listened_to(copy)

    assert copy.run(FOREVER) == PoweredOff()

    assert b"hibernate: resumed, log restarted, memory intact" in said
    assert b"hibernate: 2 of 2 cpus were resumed, memory intact" in said


def test_a_reset_after_the_restore_loads_the_kernel_it_would_have_loaded(tmp_path):
    kernel_b = booted("kernel-b.elf")[0].config.kernel
    guest, _ = booted("kernel-a.elf", next_kernels=(kernel_b,), areas_on_reset=AreasOnReset.KEEP)
    run_to_exit(guest, 20_000)
    copy = restored(guest, tmp_path)
    said = listened_to(copy)

    assert copy.run(FOREVER) == guest.run(FOREVER)

    assert copy.door.generation == 1
    assert b"kernel B:" in said
    assert copy.image.locate(copy.image.entry) == guest.image.locate(guest.image.entry)


def test_whatever_a_machine_may_be_made_from_is_carried_along(tmp_path):
    largest = (1 << 64) - 1
    guest, _ = booted(
        "hello-be.elf", seed=largest, reset_dtl_len=largest, kernel_addr=largest,
        memory_size=16 << 20, vcpus=64, hv="papr", hv_page=65536, append="a 'b' \u00e4",
    )  # fmt: skip

    assert restored(guest, tmp_path).config == guest.config


def test_a_restored_guest_can_be_saved_again(tmp_path):
    guest, _ = booted("smp.elf", vcpus=2)
    run_to_exit(guest, 20_000)
    copy = restored(guest, tmp_path)

    again = restored(copy, tmp_path)

    assert registers(again) == registers(guest)
    assert changed(again, guest) == set()


def test_in_the_middle_of_a_turn_nothing_is_saved(tmp_path):
    guest = guest_running(SPIN)
    guest.run(10)

    with pytest.raises(BadInput, match="vcpu 0 is in the middle of its turn"):
        save(guest, tmp_path / "saved")

    assert not (tmp_path / "saved").exists()
