"""The state of a guest's devices, as JSON."""

from typing import Final

from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import Object
from papvmm.devices.nvram import NVRAM_SIZE
from papvmm.devices.xics import IPI, LEAST_FAVOURED, Presentation, Source, Xics
from papvmm.machine.guest import FOREVER, Guest

MOST_RANDOM: Final = 1 << 62


def collect_devices(guest: Guest) -> Object:
    """Return what the devices of a guest are, to be saved."""
    return {
        "rtc_offset": guest.rtc.offset,
        "random_drawn": guest.random.drawn,
        "console_input": guest.console.input.hex(),
        "nvram": guest.nvram.content.rstrip(b"\0").hex(),
        "xics": {
            "servers": [_collect_presentation(one) for one in guest.xics.presentations.values()],
            "sources": [_collect_source(one) for one in guest.xics.sources.values()],
        },
    }


def apply_devices(guest: Guest, saved: Members) -> None:
    """Make the devices of a guest what they were; BadInput if they can't be that."""
    guest.rtc.offset = saved.number("rtc_offset", most=FOREVER, least=-FOREVER)
    guest.random.drawn = saved.number("random_drawn", most=MOST_RANDOM)
    guest.console.input.extend(saved.octets("console_input"))
    nvram = saved.octets("nvram")
    if len(nvram) > NVRAM_SIZE:
        raise saved.wrong("nvram", f"is longer than {NVRAM_SIZE} bytes")
    guest.nvram.store(0, nvram)
    _apply_xics(guest.xics, saved.member("xics"))
    saved.done()


def _collect_presentation(one: Presentation) -> Object:
    return {"cppr": one.cppr, "mfrr": one.mfrr, "xisr": one.xisr, "priority": one.priority}


def _collect_source(one: Source) -> Object:
    return {
        "server": one.server,
        "priority": one.priority,
        "saved_priority": one.saved_priority,
        "waits": one.waits,
    }


def _apply_xics(xics: Xics, saved: Members) -> None:
    servers, sources = list(saved.members("servers")), list(saved.members("sources"))
    if (len(servers), len(sources)) != (len(xics.presentations), len(xics.sources)):
        raise saved.wrong("servers", "or sources are not as many as this machine's")
    for number, one in zip(xics.presentations, servers, strict=True):
        there = xics.presentations[number]
        there.cppr, there.mfrr, there.priority = (
            one.number(name, LEAST_FAVOURED) for name in ("cppr", "mfrr", "priority")
        )
        there.xisr = one.number("xisr", max(xics.sources))
        if there.xisr not in (0, IPI, *xics.sources):
            raise one.wrong("xisr", "is no interrupt of this machine")
        one.done()
    for number, one in zip(xics.sources, sources, strict=True):
        source = xics.sources[number]
        source.server = one.number("server", max(xics.presentations))
        source.priority = one.number("priority", LEAST_FAVOURED)
        source.saved_priority = one.number("saved_priority", LEAST_FAVOURED)
        source.waits = one.switch("waits")
        one.done()
    saved.done()
