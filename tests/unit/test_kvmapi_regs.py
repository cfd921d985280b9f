"""kvm_regs and kvm_sregs: what a VMM saves and restores without ONE_REG."""

import errno

import pytest

from papvmm.isa.state import GPR, MSR, SLB_ESID, SLB_VSID, SPRG3, SRR0
from papvmm.kvmapi.registers import OneRegError
from papvmm.kvmapi.regs import NAMES, Sregs, get_regs, get_sregs, set_regs, set_sregs
from tests.fakes import Partition

MSR_HV = 1 << 60
MSR_ME = 1 << 12
ABSENT = {f"sprg{n}" for n in range(4, 8)}


def test_kvm_regs_has_392_bytes_in_the_order_of_the_header():
    assert len(NAMES) * 8 == 392
    assert NAMES[:10] == ("pc", "cr", "ctr", "lr", "xer", "msr", "srr0", "srr1", "pid", "sprg0")
    assert NAMES[17] == "gpr0"


def test_what_is_set_is_got_and_lands_in_the_registers_of_its_name():
    vcpu = Partition().caller
    values = {name: 0x1000_0000 + 4 * n for n, name in enumerate(NAMES)}
    values |= dict.fromkeys(ABSENT, 0)
    values |= {"xer": 0xE00C_007F, "msr": 0x8000_0000_0000_1000, "pid": 77, "cr": 0x8421_0001}

    set_regs(vcpu, tuple(values.values()))

    assert dict(zip(NAMES, get_regs(vcpu), strict=True)) == values
    state = vcpu.state
    assert state.read(GPR, 31) == values["gpr31"]
    assert state.read(SPRG3) == values["sprg3"]
    assert state.read(SRR0) == values["srr0"]
    assert state.cr == 0x8421_0001


def test_a_guest_never_becomes_the_hypervisor():
    vcpu = Partition().caller
    regs = [*get_regs(vcpu)]
    regs[NAMES.index("msr")] = MSR_HV

    set_regs(vcpu, tuple(regs))

    assert vcpu.state.read(MSR) == MSR_ME


def test_a_vcpu_stays_the_processor_it_is():
    vcpu = Partition().caller

    set_sregs(vcpu, get_sregs(vcpu))
    with pytest.raises(OneRegError) as refusal:
        set_sregs(vcpu, Sregs(pvr=0x004B_0201))

    assert refusal.value.errno == errno.EINVAL
    assert get_sregs(vcpu).pvr == 0x004E_1202


def test_the_slb_is_its_valid_entries_with_their_numbers():
    vcpu = Partition().caller
    vcpu.state.write(SLB_ESID, 7 << 28, 3)
    vcpu.state.write(SLB_VSID, 0x1234_5000, 3)
    pvr = get_sregs(vcpu).pvr

    set_sregs(vcpu, Sregs(pvr, ((0x3_0800_0002, 0x4000_0000_1100_0C90), (0x5_0000_0001, 0x7000))))

    assert get_sregs(vcpu).slb == ((0x3_0800_0002, 0x4000_0000_1100_0C90),)
    assert vcpu.state.read(SLB_ESID, 2) == 0x3_0800_0000
    assert (vcpu.state.read(SLB_ESID, 3), vcpu.state.read(SLB_VSID, 3)) == (0, 0)
