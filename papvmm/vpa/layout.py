"""The three areas, and what each of their bytes is called."""

from enum import Enum, auto
from typing import assert_never

from papvmm.vpa.dtl import DTL_ENTRY
from papvmm.vpa.lppaca import LPPACA
from papvmm.vpa.slb_shadow import SAVE_AREA, SLB_SHADOW


class Area(Enum):
    """The areas of H_REGISTER_VPA."""

    VPA = auto()
    SLB_SHADOW = auto()
    DTL = auto()


def field_at(area: Area, offset: int) -> str:
    """Name the byte at ``offset`` of an area: ``lppaca.yield_count``, ``dtl[3].timebase``."""
    match area:
        case Area.VPA:
            return LPPACA.name_at(offset)
        case Area.SLB_SHADOW:
            if offset < SLB_SHADOW.size:
                return SLB_SHADOW.name_at(offset)
            index, inside = divmod(offset - SLB_SHADOW.size, SAVE_AREA.size)
            entry = SAVE_AREA.name_at(inside).removeprefix(SAVE_AREA.name)
            return f"{SLB_SHADOW.name}.{SAVE_AREA.name}[{index}]{entry}"
        case Area.DTL:
            index, inside = divmod(offset, DTL_ENTRY.size)
            return f"dtl[{index}]{DTL_ENTRY.name_at(inside).removeprefix(DTL_ENTRY.name)}"
    assert_never(area)
