"""The state of a vcpu as JSON: what KVM gives a VMM that saves a guest, and what it has besides.

Registers go through KVM's interfaces by KVM's names: ``struct kvm_regs`` and every ONE_REG
register there is. The areas are among the latter: what is carried is what was asked for, so
each area is requested anew and its next entry finds it as one that has just been registered.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from papvmm.bits import M64
from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import Object
from papvmm.isa.state import (
    CFAR,
    CTRL,
    DARN_COUNT,
    EXTERNAL,
    LPCR,
    NOW,
    PROCESS_TABLE,
    PSSCR,
    RESERVE_EA,
    RESERVE_HIGH,
    RESERVE_SIZE,
    RESERVE_VALUE,
    SLB_ESID,
    SLB_VSID,
    Cell,
)
from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg
from papvmm.kvmapi.registers import REGISTERS, OneRegError, Register
from papvmm.kvmapi.regs import NAMES, get_regs, set_regs
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState

AREAS: Final = ("KVM_REG_PPC_VPA_ADDR", "KVM_REG_PPC_VPA_SLB", "KVM_REG_PPC_VPA_DTL")
"""In the order in which userspace must register them: the others need a VPA."""

CELLS: Final[tuple[Cell, ...]] = (
    CFAR, CTRL, RESERVE_EA, RESERVE_SIZE, RESERVE_VALUE, RESERVE_HIGH, DARN_COUNT, EXTERNAL, NOW,
    LPCR, PROCESS_TABLE, PSSCR,
)  # fmt: skip
"""What a guest can tell and KVM's interfaces have no name for, or set only in part.

NOW is as old as the vcpu's last turn: a ceded vcpu's decrementer wakes it after that.
"""
SINCE_4: Final = (PSSCR,)
"""Those that are not in what was saved with schema 3."""


SLB: Final = (SLB_ESID, SLB_VSID)
"""The SLB, the valid entries of which KVM's ``struct kvm_sregs`` has, too."""


def collect_vcpu(vcpu: Vcpu) -> Object:
    """Return what a vcpu is, to be saved."""
    regs = zip(NAMES, get_regs(vcpu), strict=True)
    return {
        "id": vcpu.vcpu_id,
        "run_state": vcpu.run_state.name,
        "prodded": vcpu.prodded,
        "ran_until": vcpu.ran_until,
        "stolen": vcpu.stolen_counts,
        "stolen_logged": vcpu.areas.stolen_logged,
        "regs": {name: hex(value) for name, value in regs},
        "one_reg": {
            register.kvm_name: [hex(value) for value in get_one_reg(vcpu, register.id)]
            for register in _readable(vcpu)
        },
        "cells": {cell.name: hex(vcpu.state.read(cell)) for cell in CELLS},
        "slb": {
            cell.name: [hex(vcpu.state.read(cell, index)) for index in range(cell.count)]
            for cell in SLB
        },
    }


def apply_vcpu(vcpu: Vcpu, saved: Members) -> None:
    """Make a vcpu that has not started what it was; BadInput if it can't be that.

    RAM and the clock must be what they were already.
    """
    vcpu.power_on()
    saved.number("id", most=vcpu.vcpu_id, least=vcpu.vcpu_id)
    vcpu.run_state = saved.choice("run_state", VcpuRunState)
    vcpu.prodded = saved.switch("prodded")
    vcpu.ran_until = saved.optional_number("ran_until", most=vcpu.areas.door.clock.count)
    vcpu.stolen_counts = saved.number("stolen", most=M64)
    vcpu.areas.stolen_logged = saved.number("stolen_logged", most=M64)
    regs = saved.member("regs")
    set_regs(vcpu, tuple(regs.word(name) for name in NAMES))
    regs.done()
    _apply_one_reg(vcpu, saved.member("one_reg"))
    cells = saved.member("cells")
    given = cells.names()
    for cell in CELLS:
        if cell in SINCE_4 and cell.name not in given:
            continue
        vcpu.state.write(cell, cells.word(cell.name))
    cells.done()
    _apply_slb(vcpu, saved.member("slb"))
    saved.done()


def _apply_slb(vcpu: Vcpu, saved: Members) -> None:
    for cell in SLB:
        words = saved.words(cell.name)
        if len(words) != cell.count:
            raise saved.wrong(cell.name, f"are {len(words)}: a vcpu has {cell.count}")
        for index, word in enumerate(words):
            vcpu.state.write(cell, word, index)
    saved.done()


def _apply_one_reg(vcpu: Vcpu, saved: Members) -> None:
    payloads = {register.kvm_name: saved.words(register.kvm_name) for register in _readable(vcpu)}
    saved.done()
    areas = {name: payloads.pop(name) for name in AREAS if name in payloads}
    registered = {name: payload for name, payload in areas.items() if any(payload[:1])}
    for name, payload in (payloads | registered).items():
        try:
            set_one_reg(vcpu, register_id(name), payload)
        except OneRegError as error:
            raise saved.wrong(name, f"can't be set: {error}") from None


def _readable(vcpu: Vcpu) -> Iterator[Register]:
    """Return the ONE_REG registers that a vcpu has."""
    for register in REGISTERS.values():
        with suppress(OneRegError):
            get_one_reg(vcpu, register.id)
            yield register
