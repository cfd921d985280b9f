"""Addresses as people type them: numbers and registers, added and subtracted."""

import re
from typing import Final

from papvmm.bits import M64
from papvmm.control.hmp.command import Refusal
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR
from papvmm.vcpu.vcpu import Vcpu

_TERM: Final = re.compile(r"\s*([+-]?)\s*(0[xX][0-9a-fA-F]+|\d+|\$\w+)")
_NAMED: Final = {"nip": CIA, "pc": CIA, "lr": LR, "ctr": CTR, "msr": MSR}


def evaluate(text: str, vcpu: Vcpu) -> int:
    """Return the value, modulo 2^64, of ``0x100 + $r3 - 8``, say; Refusal if it is none."""
    value, at = 0, 0
    while at < len(text) or not at:
        term = _TERM.match(text, at)
        if term is None or bool(at) > bool(term[1]):
            raise Refusal(f"no number or register at '{text[at:].strip()}' in '{text}'")
        number = _operand(term[2], vcpu)
        value += -number if term[1] == "-" else number
        at = term.end()
    return value & M64


def _operand(text: str, vcpu: Vcpu) -> int:
    if not text.startswith("$"):
        return int(text, 0) if text[:2] in ("0x", "0X") else int(text)
    name = text[1:].lower()
    if name in _NAMED:
        return vcpu.state.read(_NAMED[name])
    match = re.fullmatch(r"r(\d{1,2})", name)
    if match is None or int(match[1]) > 31:
        raise Refusal(f"unknown register '{text}': there is $r0 to $r31, ${', $'.join(_NAMED)}")
    return vcpu.state.read(GPR, int(match[1]))
