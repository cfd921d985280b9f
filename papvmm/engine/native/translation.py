"""Translating regions: the compiler's side of ``region_job``."""

import json
from collections.abc import Callable
from typing import Final

from papvmm.engine.native.flow import explore
from papvmm.engine.native.lower import PRELUDE
from papvmm.engine.native.machine_code import MachineCode
from papvmm.engine.native.region import Region
from papvmm.memory.guest_memory import PAGE

FUNCTION: Final = "region"


def translate(request: bytes, compile_text: Callable[[str], MachineCode]) -> bytes:
    """Translate a packed request, with a compiler, to a packed ``Translated``."""
    page, mode, start, targets, avoided = json.loads(request[PAGE:])
    flow = explore(page, mode, request[:PAGE], [start], frozenset(avoided))
    if flow.dispatches and targets:
        flow = explore(page, mode, request[:PAGE], [start, *targets], frozenset(avoided))
    entries, offset, text = sorted(flow.entries), 0, b""
    if entries:
        code = compile_text(PRELUDE + Region(flow).text(FUNCTION))
        offset, text = code.offsets[FUNCTION], code.text
    header = json.dumps([entries, sorted(flow.code), offset]).encode()
    return len(header).to_bytes(8, "little") + header + text
