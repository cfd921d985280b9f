"""Translating regions: the compiler's side of ``region_job``."""

from collections.abc import Callable, Sequence
from typing import Final

from papvmm.engine.native import layout
from papvmm.engine.native.flow import Explorer, Flow
from papvmm.engine.native.lower import PRELUDE
from papvmm.engine.native.machine_code import MachineCode
from papvmm.engine.native.real_region import RealRegion
from papvmm.engine.native.region_job import (
    Translated,
    digest_of,
    page_name,
    unpack,
    unpack_request,
)
from papvmm.engine.native.translated_region import TranslatedRegion
from papvmm.memory.guest_memory import PAGE

FUNCTION: Final = "region"


def translate(content: bytes, compile_text: Callable[[str], MachineCode]) -> bytes:
    """Translate a packed request, with a compiler, to a packed ``Translated``."""
    request = unpack_request(content)
    explorer = Explorer(request.mode, request.isa, request.pages, frozenset(request.avoided))
    flow = explorer.region(request.place)
    offset, text = 0, b""
    if flow.entries:
        kind = TranslatedRegion if request.mode & layout.REAL_MODES else RealRegion
        code = compile_text(PRELUDE + kind(flow, request.distance).text(FUNCTION))
        offset, text = code.offsets[FUNCTION], code.text

    def read(address: int, length: int) -> bytes:
        at = address % PAGE
        return request.pages[address - at].words[at : at + length]

    pages = {address // PAGE * PAGE for address in flow.code}
    names = [
        page_name(page, request.mode, request.isa, request.pages[page].words)
        for page in sorted(pages)
    ]
    digest = digest_of(flow.lines(), read)
    return Translated(sorted(flow.entries), _ranges(flow), digest, names, offset, text).pack()


def kept_as(content: bytes) -> Sequence[str]:
    """Return what to keep a packed ``Translated`` as."""
    return unpack(content).names


def _ranges(flow: Flow) -> list[tuple[int, int]]:
    """Return the addresses of all instructions as ranges."""
    ranges: list[tuple[int, int]] = []
    for address in sorted(flow.code):
        if ranges and ranges[-1][1] == address:
            ranges[-1] = ranges[-1][0], address + 4
        else:
            ranges.append((address, address + 4))
    return ranges
