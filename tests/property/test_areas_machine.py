"""Both doors, entries, exits and resets in any order, at every level, against a second model.

Its promises: an entry changes no byte outside the areas in force, and no request is ever lost or
applied twice.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from papvmm.errors import HostCrash
from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg, unregister_areas
from papvmm.kvmapi.registers import OneRegError
from papvmm.papr.hcalls.vpa import register_vpa
from papvmm.vcpu.vcpu import VcpuRunState
from papvmm.vpa.dtl import Dispatch, DispatchReason, PreemptReason
from tests.areas import EVERY_LEVEL
from tests.areas_model import AreasModel, HostIsDead
from tests.fakes import Partition

RAM = {4096: 0x4000, 65536: 0x20000}
NAMES = {"vpa": "VPA_ADDR", "slb": "VPA_SLB", "dtl": "VPA_DTL"}
KINDS = {"vpa": "vpa", "slb": "slb_shadow", "dtl": "dtl"}

vcpus = st.sampled_from([0, 0, 1])
lines = st.sampled_from([0x80, 0x1000, 0x1400, 0x1D80, 0x2000, 0x2800, 0x3000])
gpas = (
    lines
    | st.sampled_from([0, 0, 0x1000, 0x2000, 0x3D80, 0x3E00, 0x3F80, 0x4000, 0xFD80, 0x1FF80])
    | st.integers(0, (1 << 64) - 1)
)
sizes = st.sampled_from(
    [0, 7, 8, 47, 48, 95, 96, 97, 144, 639, 640, 641, 1023, 1024, 4080, 4096, 4097, 65535, 65536]
) | st.integers(0, (1 << 64) - 1)
usual = st.one_of(
    st.tuples(st.just("vpa"), lines, st.sampled_from([640, 1024, 1500])),
    st.tuples(st.just("dtl"), lines, st.sampled_from([48, 96, 100, 480, 4096])),
    st.tuples(st.just("slb"), lines, st.sampled_from([8, 64])),
)
"""Areas (kind, gpa, size) that have a chance."""
areas = usual | usual | st.tuples(st.sampled_from(["vpa", "slb", "dtl"]), gpas, sizes)
words = st.integers(0, (1 << 64) - 1)
targets = vcpus | st.sampled_from([2, 0x1_0000_0001, 0xFFFF_FFFF, (1 << 64) - 1])
flags = st.integers(0, 7).map(lambda sub: sub << 45) | st.integers(0, (1 << 64) - 1)


class AreasMachine(RuleBasedStateMachine):
    hv = "kvm"

    @initialize(page=st.sampled_from([4096, 65536]), equipped=st.booleans())
    def boot(self, page, equipped):
        self.real = Partition(hv=self.hv, hv_page=page, memory_size=RAM[page])
        self.model = AreasModel(self.hv, page, RAM[page], [0, 1])
        self.alive = True
        if equipped:
            self.register_by_guest("vpa", 0x1000, 1024, 0, 0)
            self.register_by_guest("dtl", 0x2000, 144, 0, 0)
            self.poke(0x10B8, b"\7")
            self.compare_stores()

    @precondition(lambda self: not self.alive)
    @rule()
    def boot_again(self):
        self.boot(4096, equipped=True)

    # The guest.

    @precondition(lambda self: self.alive)
    @rule(gpa=gpas, size=sizes, width=st.sampled_from([2, 4]))
    def state_a_size(self, gpa, size, width):
        self.poke_size(gpa, size, width)

    @precondition(lambda self: self.alive)
    @rule(gpa=gpas, data=st.binary(min_size=1, max_size=8), offset=st.integers(0, 0x280))
    def scribble(self, gpa, data, offset):
        self.poke(gpa + offset, data)

    def poke_size(self, gpa, size, width):
        self.poke(gpa + 4, (size & (1 << 8 * width) - 1).to_bytes(width, "big"))

    def poke(self, gpa, data):
        if self.real.memory.holds(gpa, len(data)):
            self.real.memory.write(gpa, data)
            self.model.ram[gpa : gpa + len(data)] = data

    @precondition(lambda self: self.alive)
    @rule(area=areas, caller=vcpus, to=vcpus)
    def register(self, area, caller, to):
        """The usual way: the size, then the hypercall."""
        self.register_by_guest(*area, caller, to)

    def register_by_guest(self, kind, gpa, size, caller, to):
        width = 2 if kind == "vpa" else 4
        self.poke_size(gpa, size, width)
        self.h_register_vpa(caller, {"vpa": 1, "dtl": 2, "slb": 3}[kind] << 45, to, gpa)

    @precondition(lambda self: self.alive)
    @rule(caller=vcpus, flags=flags, to=targets, gpa=gpas)
    def hypercall(self, caller, flags, to, gpa):
        self.h_register_vpa(caller, flags, to, gpa)

    def h_register_vpa(self, caller, flags, target, gpa):
        real = self.real
        expected = self.model.hcall(caller, flags, target, gpa)

        got = register_vpa(real.vcpus[caller], real.find_vcpu, flags, target, gpa)

        assert got == expected
        self.compare_stores()

    # The host.

    @precondition(lambda self: self.alive)
    @rule(vcpu=vcpus, area=areas)
    def set_one_reg(self, vcpu, area):
        kind, gpa, size = area
        expected = self.model.set(vcpu, kind, gpa, size)

        got, payload = 0, (gpa,) if NAMES[kind] == "VPA_ADDR" else (gpa, size)
        try:
            set_one_reg(self.real.vcpus[vcpu], register_id(NAMES[kind]), payload)
        except OneRegError as error:
            got = -error.errno

        assert got == expected
        self.compare_stores()

    @precondition(lambda self: self.alive)
    @rule(dtl_length=st.sampled_from([0, 47, 48]))
    def reset(self, dtl_length):
        expected = [self.model.reset(number, dtl_length) for number in (0, 1)]

        assert [unregister_areas(vcpu, dtl_length) for vcpu in self.real.vcpus] == expected
        self.compare_stores()

    @precondition(lambda self: self.alive)
    @rule()
    def read_the_dirty_log(self):
        pages = set().union(*(vcpu.areas.take_dirty_pages() for vcpu in self.real.vcpus))

        assert pages == self.model.dirty
        self.model.dirty.clear()

    # Entry and exit.

    @precondition(lambda self: self.alive)
    @rule(
        vcpu=vcpus,
        numbers=st.tuples(words, words, words, words, words),
        reason=st.sampled_from(DispatchReason),
        preempted=st.sampled_from(PreemptReason),
    )
    def enter(self, vcpu, numbers, reason, preempted):
        self.go_in(vcpu, *numbers, reason, preempted)

    def go_in(self, vcpu, *dispatch):
        target = self.real.vcpus[vcpu]
        target.run_state = VcpuRunState.RUNNABLE
        self.entering(
            vcpu,
            lambda: self.model.enter(vcpu, *dispatch),
            lambda: target.areas.enter(Dispatch(*dispatch)),
        )
        if self.alive:
            self.nothing_is_pending(vcpu)

    @precondition(lambda self: self.alive)
    @rule(vcpu=vcpus, ticks=st.lists(st.integers(0, 1 << 33), min_size=1, max_size=5))
    def round_trips(self, vcpu, ticks):
        for tick in ticks:
            dispatch = (
                tick,
                vcpu,
                tick,
                0x1000,
                0,
                DispatchReason.TIME_SLICE,
                PreemptReason.H_CEDE,
            )
            if self.alive:
                self.go_in(vcpu, *dispatch)
                self.go_out(vcpu)

    @precondition(lambda self: self.alive)
    @rule(vcpu=vcpus)
    def try_to_enter(self, vcpu):
        self.entering(
            vcpu,
            lambda: self.model.tryenter(vcpu),
            self.real.vcpus[vcpu].areas.try_enter,
        )

    def entering(self, vcpu, in_model, in_papvmm):
        crashes = False
        try:
            in_model()
        except HostIsDead:
            crashes = True
        if crashes:
            with pytest.raises(HostCrash):
                in_papvmm()
            self.alive = False
        else:
            in_papvmm()
        self.stays_inside(vcpu)
        self.compare_stores()

    @precondition(lambda self: self.alive)
    @rule(vcpu=vcpus)
    def leave(self, vcpu):
        self.go_out(vcpu)

    def go_out(self, vcpu):
        self.model.exit(vcpu)
        self.real.vcpus[vcpu].areas.leave()

        self.stays_inside(vcpu)
        self.compare_stores()

    def stays_inside(self, vcpu):
        areas = self.real.vcpus[vcpu].areas
        inside = [area.pinned for area in (areas.vpa, areas.dtl) if area.pinned]
        for write in self.real.door.writes:
            assert any(
                pinned.gpa <= write.gpa and write.gpa + len(write.new) <= pinned.end
                for pinned in inside
            )

    def nothing_is_pending(self, vcpu):
        areas = self.real.vcpus[vcpu].areas
        for area in (areas.vpa, areas.slb_shadow, areas.dtl):
            assert not area.update_pending
            assert area.pinned is None or area.pinned.registration is area.requested

    # What holds all the time.

    def compare_stores(self):
        assert [(write.gpa, write.new) for write in self.real.door.writes] == self.model.log
        self.real.door.writes.clear()
        self.model.log.clear()

    @invariant()
    def ram_is_the_same(self):
        assert self.real.memory.ram == self.model.ram

    @invariant()
    def requests_are_the_same(self):
        for vcpu in self.real.vcpus:
            for kind, name in NAMES.items():
                try:
                    got = get_one_reg(vcpu, register_id(name))
                except OneRegError as error:
                    got = -error.errno
                assert got == self.model.get(vcpu.vcpu_id, kind)
                area = getattr(vcpu.areas, KINDS[kind])
                wanted = self.model.vcpus[vcpu.vcpu_id][kind]
                assert area.update_pending == wanted["pending"]
                assert (area.pinned and area.pinned.gpa) == wanted["at"]


def check(hv, examples, *, derandomize):
    run_state_machine_as_test(
        type(f"Areas of {hv}", (AreasMachine,), {"hv": hv}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_areas_agree_with_a_second_model(hv):
    check(hv, 30, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_areas_agree_with_a_second_model_for_long(hv):
    check(hv, 500, derandomize=False)
