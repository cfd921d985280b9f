"""What QMP tells about the areas and the hypervisor's stores into guest RAM, as JSON."""

from papvmm.control.strict_json import Json, Object
from papvmm.trace.events import HvWrite, Registration
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VpaArea


def areas_of(vcpu: Vcpu) -> Object:
    """Tell what a vcpu's areas are: what was asked for, and what is in force."""
    areas = vcpu.areas
    return {
        "vcpu": vcpu.vcpu_id,
        "yield-count": areas.yield_count,
        "vpa": _area(areas.vpa),
        "slb-shadow": _area(areas.slb_shadow),
        "dtl": {
            **_area(areas.dtl),
            "index": areas.dtl_index,
            "next-entry": areas.dtl_ptr,
        },
    }


def _area(area: VpaArea) -> Object:
    pinned = area.pinned
    in_force: Json = None
    if pinned is not None:
        in_force = {
            "gpa": pinned.gpa,
            "length": pinned.end - pinned.gpa,
            "registration": _optional(pinned.registration),
        }
    return {
        "requested": {"gpa": area.next_gpa, "length": area.length},
        "pending": area.update_pending,
        "pinned": in_force,
    }


def hv_write(write: HvWrite) -> Object:
    """Tell who stored what, and where."""
    return {
        "gpa": write.gpa,
        "old": write.old.hex(),
        "new": write.new.hex(),
        "actor": write.actor,
        "area": write.area,
        "field": write.field,
        "vcpu": write.vcpu_id,
        "generation": write.generation,
        "icount": write.icount,
        "stale": write.is_stale,
        "registration": _optional(write.registration),
    }


def _optional(registered: Registration | None) -> Json:
    return None if registered is None else registration(registered)


def registration(registered: Registration) -> Object:
    """Tell how an area came to be where it is."""
    return {
        "number": registered.number,
        "gpa": registered.gpa,
        "length": registered.length,
        "door": registered.door,
        "caller": registered.caller,
        "generation": registered.generation,
        "icount": registered.icount,
    }
