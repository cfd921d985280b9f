"""What things are called in reports."""

from collections.abc import Callable
from typing import Final

from papvmm.machine.config import MIB, MachineConfig
from papvmm.observe.record import Handover
from papvmm.vpa.dtl import DTL_ENTRY
from papvmm.vpa.layout import Area

AREA_TEXT: Final = {Area.VPA.name: "VPA", Area.SLB_SHADOW.name: "SLB shadow", Area.DTL.name: "DTL"}
"""By the name in ``Registration.area`` and ``HvWrite.area``."""

WORD: Final = 8

_REASONS: Final = {
    "guest-reset": "RESET by the guest",
    "restored": "SAVED, and RESTORED in another machine",
    "no reset": "JUMP into kernel B, no reset",
}


def handover_text(handover: Handover) -> str:
    """Say how the memory passed from one kernel to the next."""
    return _REASONS.get(handover.reason, handover.reason)


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(stored: bytes) -> str:
    """Write bytes as a number, only the first ones of many."""
    return f"0x{stored.hex()}" if len(stored) <= WORD else f"0x{stored[:WORD].hex()}…"


def entry_text(entry: bytes, describe: Callable[[int], str]) -> str:
    """Spell out what a dispatch trace log entry says; fields of zero are left out."""
    texts = []
    for field in DTL_ENTRY.fields:
        value = int.from_bytes(entry[field.offset : field.offset + field.width], "big")
        if value:
            text = describe(value) if field.name == "srr0" else f"{value:#x}"
            texts.append(f"{field.name} {text}")
    return ", ".join(texts)


def setting(config: MachineConfig) -> str:
    """Say what a machine was like."""
    memory = f"{config.memory_size // MIB} MiB"
    return f"{counted(config.vcpus, 'vcpu')}, {memory}, seed {config.seed}"
