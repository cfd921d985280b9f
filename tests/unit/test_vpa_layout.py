"""What the bytes of the areas are called: Linux's names at LoPAR's offsets."""

import pytest

from papvmm.vpa.dtl import DTL_ENTRY
from papvmm.vpa.layout import Area, field_at
from papvmm.vpa.lppaca import LPPACA
from papvmm.vpa.slb_shadow import SAVE_AREA, SLB_SHADOW
from papvmm.vpa.structure import Writer

STRUCTURES = [LPPACA, SLB_SHADOW, SAVE_AREA, DTL_ENTRY]


@pytest.mark.parametrize(
    ("area", "offset", "name"),
    [
        (Area.VPA, 0x004, "lppaca.size"),
        (Area.VPA, 0x009, "lppaca.old_status"),
        (Area.VPA, 0x0B8, "lppaca.dtl_enable_mask"),
        (Area.VPA, 0x0BB, "lppaca.pmcregs_in_use"),
        (Area.VPA, 0x0FF, "lppaca.vmxregs_in_use"),
        (Area.VPA, 0x100, "lppaca.yield_count"),
        (Area.VPA, 0x103, "lppaca.yield_count"),
        (Area.VPA, 0x104, "lppaca.dispersion_count"),
        (Area.VPA, 0x158, "lppaca.enqueue_dispatch_tb"),
        (Area.VPA, 0x218, "lppaca.dtl_idx"),
        (Area.VPA, 0x21F, "lppaca.dtl_idx"),
        (Area.VPA, 0x220, "lppaca+0x220"),
        (Area.VPA, 0x300, "lppaca+0x300"),
        (Area.SLB_SHADOW, 0x00, "slb_shadow.persistent"),
        (Area.SLB_SHADOW, 0x07, "slb_shadow.buffer_length"),
        (Area.SLB_SHADOW, 0x08, "slb_shadow+0x8"),
        (Area.SLB_SHADOW, 0x10, "slb_shadow.save_area[0].esid"),
        (Area.SLB_SHADOW, 0x3F, "slb_shadow.save_area[2].vsid"),
        (Area.DTL, 0x00, "dtl[0].dispatch_reason"),
        (Area.DTL, 0x04, "dtl[0].enqueue_to_dispatch_time"),
        (Area.DTL, 0x40, "dtl[1].timebase"),
        (Area.DTL, 0xBF, "dtl[3].srr1"),
    ],
)
def test_bytes_have_the_names_of_the_headers(area, offset, name):
    assert field_at(area, offset) == name


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)
def test_fields_follow_each_other_without_overlap(structure):
    ends = [0, *(field.offset + field.width for field in structure.fields)]
    starts = [*(field.offset for field in structure.fields), structure.size]

    assert all(end <= start for end, start in zip(ends, starts, strict=True))


def test_a_log_entry_has_no_byte_without_a_field():
    assert sum(field.width for field in DTL_ENTRY.fields) == 48


def test_the_hypervisor_has_its_fields_and_the_guest_has_its_own():
    assert LPPACA["yield_count"].writer is Writer.HYPERVISOR
    assert LPPACA["dtl_idx"].writer is Writer.HYPERVISOR
    assert LPPACA["dtl_enable_mask"].writer is Writer.GUEST


def test_a_field_that_is_not_there():
    with pytest.raises(KeyError, match="lppaca has no field"):
        LPPACA["yield"]
