"""hcall-term: H_PUT_TERM_CHAR and H_GET_TERM_CHAR, the guest's console."""

from collections.abc import Mapping
from typing import Final

from papvmm.devices.vty import VTY_UNIT
from papvmm.papr.hcall import (
    PARAMETER,
    SUCCESS,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)

LONGEST: Final = 16
"""Characters in one call: two registers, the first character in the most significant byte."""

_UNITS: Final = (0, VTY_UNIT)


def h_put_term_char(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Show the first ``args[1]`` characters of ``args[2:4]`` on the vty ``args[0]``."""
    unit, length, *registers = args[:4]
    if unit not in _UNITS or length > LONGEST:
        return PARAMETER
    characters = b"".join(register.to_bytes(8, "big") for register in registers)
    context.console.write(characters[:length])
    return SUCCESS


def h_get_term_char(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Return how many keys were waiting on the vty ``args[0]``, at most 16, and the keys."""
    if args[0] not in _UNITS:
        return PARAMETER
    keys = context.console.read(LONGEST)
    padded = keys.ljust(LONGEST, b"\0")
    registers = (int.from_bytes(padded[start : start + 8], "big") for start in (0, 8))
    return HcallResult(HcallStatus.H_SUCCESS, (len(keys), *registers))


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_GET_TERM_CHAR: h_get_term_char,
    Hcall.H_PUT_TERM_CHAR: h_put_term_char,
}
