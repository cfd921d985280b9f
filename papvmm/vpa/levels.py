"""The rules by which hypervisors differ over the areas: one row a hypervisor, one column a rule.

``Level``'s fields are the columns, each with its ``Rule``: what it asks, and where the answers
were read. A row says what its hypervisor does, comments say why. Everything that no column
mentions is the same at every level. docs/areas.md prints the whole table.

``papr`` is LoPAR's text; where it contradicts itself, says nothing or leaves the choice, QEMU's
reading (``hw/ppc/spapr_hcall.c``, TCG).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Final, NamedTuple

from papvmm.bits import ones, signed
from papvmm.errors import BadInput
from papvmm.values import Value
from papvmm.vpa.layout import Area

INT_MAX: Final = ones(31)


class Rule(NamedTuple):
    """What a column asks, and where the answers were read."""

    question: str
    source: str


class Refusal(Enum):
    """Why a door refuses a request, named after PAPR's status; ONE_REG says EINVAL to all."""

    PARAMETER = "H_PARAMETER"
    HARDWARE = "H_HARDWARE"
    RESOURCE = "H_RESOURCE"
    STATE = "H_STATE"


class Applied(Enum):
    """When a request takes effect."""

    AT_ENTRY = "at the vcpu's next guest entry"
    AT_ONCE = "at once"


class Bounds(Enum):
    """How far an area may reach."""

    HOST_PAGE = "the end of its host page (--hv-page)"
    PAPR = "VPA, SLB shadow: the end of its 4 KiB page; DTL: 4096 bytes"


class WaitTime(Enum):
    """What a dispatch does to ``lppaca.enqueue_dispatch_tb``."""

    UNTOUCHED = "untouched"
    ADDED = "the ticks stolen since the last dispatch are added"
    TOTAL = "the running total of stolen ticks is stored"


class Confers(Enum):
    """When H_CONFER gives the caller's turn to the vcpu it names."""

    NEVER = "never: it answers H_SUCCESS, whoever is named"
    STANDS_STILL = "if its yield_count (0 without a VPA) is the one the caller saw"
    PREEMPTED = "if its yield_count is the one the caller saw, and odd"


class Logged(Enum):
    """Which dispatches get an entry in the log, and with which reasons."""

    EVERY = "every dispatch, as end of time slice (7/0)"
    ASKED_FOR = "what dtl_enable_mask asks for, with its reasons"


class Level(Value):
    """A hypervisor."""

    name: str
    one_reg: Annotated[
        bool,
        Rule(
            "ONE_REG knows the three areas",
            "book3s_hv.c, kvmppc_get/set_one_reg: v3.6 against v3.7",
        ),
    ]
    hcall_vpa_minimum: Annotated[
        int,
        Rule(
            "shortest VPA at H_REGISTER_VPA",
            "book3s_hv.c, do_h_register_vpa: 1024 until v4.14, then 640; LoPAR and QEMU: 640",
        ),
    ]
    one_reg_vpa_length: Annotated[
        int,
        Rule(
            "length of a VPA set by ONE_REG",
            "asm/lppaca.h: its alignment made the structure 1 KiB until about v4.17",
        ),
    ]
    dtl_length_binds_at_zero: Annotated[
        bool,
        Rule(
            "ONE_REG refuses a DTL shorter than 48 bytes even at address 0",
            "book3s_hv.c: v3.7; v3.8 looks at the length only if there is an address",
        ),
    ]
    crashes_without_vpa: Annotated[
        bool,
        Rule(
            "applying an unregistered VPA crashes the host",
            "book3s_hv.c, kvmppc_update_vpas: v3.6 initialises the VPA without looking for one",
        ),
    ]
    bounds: Annotated[
        Bounds,
        Rule(
            "an area reaches at most to",
            "book3s_hv.c pins one host page; LoPAR: no 4 KiB crossing, a log of 4 KiB at most",
        ),
    ]
    ignores_other_flags: Annotated[
        bool,
        Rule(
            "H_REGISTER_VPA ignores flag bits outside the sub-function",
            "book3s_hv.c masks them; LoPAR leaves it open, QEMU compares the whole word",
        ),
    ]
    narrows_vcpu_id: Annotated[
        bool,
        Rule(
            "a processor number is narrowed to a C int",
            "book3s_hv.c, kvmppc_find_vcpu; LoPAR: a number the partition has",
        ),
    ]
    address_zero: Annotated[
        Refusal,
        Rule(
            "registering address 0 answers",
            "book3s_hv.c; QEMU (LoPAR is silent)",
        ),
    ]
    only_own_or_offline: Annotated[
        bool,
        Rule(
            "registering a VPA or SLB shadow for another running vcpu is H_STATE",
            "LoPAR, section on dispatch; neither KVM nor QEMU checks",
        ),
    ]
    applied: Annotated[
        Applied,
        Rule(
            "a request takes effect",
            "book3s_hv.c, kvmppc_update_vpas; LoPAR: registering initialises the area; QEMU",
        ),
    ]
    interrupted_run_applies: Annotated[
        bool,
        Rule(
            "a KVM_RUN that is interrupted before the guest runs applies requests",
            "measured on Linux 6.1: POWER9 does, POWER8 doesn't",
        ),
    ]
    sets_yield_count: Annotated[
        bool,
        Rule(
            "initialising a VPA sets yield_count to 1",
            "book3s_hv.c, init_vpa; QEMU sets the shared-processor bit only",
        ),
    ]
    corrects_parity: Annotated[
        bool,
        Rule(
            "a yield_count of the wrong parity is incremented once more",
            "QEMU, spapr_cpu_core.c (LoPAR: even when dispatched, odd when preempted); KVM adds 1",
        ),
    ]
    wait_time: Annotated[
        WaitTime,
        Rule(
            "a dispatch leaves enqueue_dispatch_tb",
            "book3s_hv.c: since about v6.1; measured there on POWER9 and POWER8",
        ),
    ]
    forgets_stolen_time: Annotated[
        bool,
        Rule(
            "time stolen while no VPA is in force is never reported",
            "book3s_hv.c, kvmppc_create_dtl_entry; kvmppc_update_vpa_dispatch_p9 keeps it",
        ),
    ]
    logged: Annotated[
        Logged,
        Rule(
            "the log gets",
            "book3s_hv.c ignores the guest's mask; LoPAR",
        ),
    ]
    dirty_log: Annotated[
        frozenset[Area],
        Rule(
            "areas whose page the dirty log reports",
            "book3s_hv.c: none before v3.10; since about v6.1 nobody marks the DTL's",
        ),
    ]
    prod_wakes: Annotated[
        bool,
        Rule(
            "H_PROD ends the target's H_CEDE",
            "book3s_hv.c, kvmppc_pseries_do_hcall: until v4.11 it asked if the caller had ceded",
        ),
    ]
    prod_outlives_wake: Annotated[
        bool,
        Rule(
            "a prod that ended an H_CEDE makes the next one return at once",
            "measured on Linux 6.1; LoPAR: a dispatch resets the prod",
        ),
    ]
    confers: Annotated[
        Confers,
        Rule(
            "H_CONFER gives the caller's turn to the vcpu it names",
            "book3s_hv.c, kvmppc_pseries_do_hcall; LoPAR and QEMU",
        ),
    ]

    def vcpu_id(self, number: int) -> int:
        """Return the vcpu id that a 64-bit processor number means."""
        return signed(number, 32) if number > INT_MAX and self.narrows_vcpu_id else number


KVM_3_6: Final = Level(
    name="kvm-3.6",
    one_reg=False,
    hcall_vpa_minimum=1024,
    one_reg_vpa_length=1024,
    dtl_length_binds_at_zero=False,
    crashes_without_vpa=True,
    bounds=Bounds.HOST_PAGE,
    ignores_other_flags=True,
    narrows_vcpu_id=True,
    address_zero=Refusal.PARAMETER,
    only_own_or_offline=False,
    applied=Applied.AT_ENTRY,
    interrupted_run_applies=True,
    sets_yield_count=True,
    corrects_parity=False,
    wait_time=WaitTime.UNTOUCHED,
    forgets_stolen_time=True,
    logged=Logged.EVERY,
    dirty_log=frozenset(),
    prod_wakes=False,
    prod_outlives_wake=True,
    confers=Confers.NEVER,
)
"""Before the commit."""

KVM_3_7: Final = KVM_3_6.replace(
    name="kvm-3.7",
    one_reg=True,
    # Its quirk: a reset that clears the log with (0, 0) fails, and then the VPA stays too.
    dtl_length_binds_at_zero=True,
    crashes_without_vpa=False,
)
"""The commit."""

KVM: Final = KVM_3_7.replace(
    name="kvm",
    hcall_vpa_minimum=640,
    one_reg_vpa_length=640,
    dtl_length_binds_at_zero=False,
    wait_time=WaitTime.TOTAL,
    forgets_stolen_time=False,
    dirty_log=frozenset({Area.VPA}),
    prod_wakes=True,
    confers=Confers.STANDS_STILL,
)
"""Today's, on POWER9."""

KVM_POWER8: Final = KVM.replace(
    name="kvm-power8",
    interrupted_run_applies=False,
    wait_time=WaitTime.ADDED,
    forgets_stolen_time=True,
)
"""Today's, on POWER8."""

PAPR: Final = Level(
    name="papr",
    # PAPR has no ONE_REG: this is the VMM's own way to save, restore and clear the areas.
    one_reg=True,
    hcall_vpa_minimum=640,
    one_reg_vpa_length=640,
    dtl_length_binds_at_zero=False,
    crashes_without_vpa=False,
    bounds=Bounds.PAPR,
    # LoPAR lets implementations ignore the other bits: QEMU's choice.
    ignores_other_flags=False,
    narrows_vcpu_id=False,
    # By LoPAR's text 0 is an aligned address in memory; QEMU keeps it to mean "none".
    address_zero=Refusal.HARDWARE,
    # LoPAR's newer text; the description of the hypercall itself doesn't mention the status.
    only_own_or_offline=True,
    applied=Applied.AT_ONCE,
    interrupted_run_applies=True,
    # "Initialise" is undefined in LoPAR: QEMU leaves the counter to the next exit.
    sets_yield_count=False,
    corrects_parity=True,
    # LoPAR has the hypervisor accumulate it, QEMU does nothing: no contradiction, so LoPAR.
    wait_time=WaitTime.TOTAL,
    forgets_stolen_time=False,
    logged=Logged.ASKED_FOR,
    dirty_log=frozenset(),
    prod_wakes=True,
    prod_outlives_wake=False,
    confers=Confers.PREEMPTED,
)
"""What PAPR and QEMU say."""

LEVELS: Final[Mapping[str, Level]] = {
    level.name: level for level in (KVM_3_6, KVM_3_7, KVM, KVM_POWER8, PAPR)
}

NOT_MODELLED: Final[Mapping[str, str]] = {
    "a host timer that is already due at entry": (
        "KVM logs a dispatch (enqueue_dispatch_tb, entry, dtl_idx) and returns before"
        " yield_count changes"
    ),
    "an interrupt that arrives at the last moment of an entry": (
        "KVM logs one dispatch and adds 2 to yield_count, although the guest never ran"
    ),
}
"""What kvm and kvm-power8 also do: the host's timing shows through. Here it never does: a run is
exactly one entry and one exit."""


def level_named(name: str) -> Level:
    """Return a row of the table; BadInput if there is none of this name."""
    level = LEVELS.get(name)
    if level is None:
        raise BadInput(f"there is no hypervisor level {name!r}; levels are {', '.join(LEVELS)}")
    return level
