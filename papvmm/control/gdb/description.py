"""The target description: what gdb is told about registers (gdb's manual, Target Descriptions)."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Final

from papvmm.control.gdb.registers import ALTIVEC, Register, registers
from papvmm.isa.versions import Isa

ARCHITECTURE: Final = "powerpc:common64"
"""Bi-endian: byte order is no part of a description, and gdb has to be told."""

_VECTORS: Final = (
    ("v4_float", "ieee_single", 4), ("v4_int32", "int32", 4), ("v8_int16", "int16", 8),
    ("v16_int8", "int8", 16),
)  # fmt: skip
"""How a vector register can be looked at, by gdb's names, besides as a number."""


@cache
def description(isa: Isa) -> bytes:
    """Return the description of a processor with a version of the ISA: ``target.xml``."""
    return "\n".join(_lines(isa)).encode()


def _lines(isa: Isa) -> Iterator[str]:
    yield '<?xml version="1.0"?>'
    yield '<!DOCTYPE target SYSTEM "gdb-target.dtd">'
    yield f'<target version="1.0"><architecture>{ARCHITECTURE}</architecture>'
    by_feature = sorted(registers(isa), key=lambda row: row.feature)
    for feature, rows in groupby(by_feature, key=lambda row: row.feature):
        yield f'<feature name="{feature}">'
        if feature == ALTIVEC:
            yield from _vector_types()
        yield from map(_line, rows)
        yield "</feature>"
    yield "</target>"


def _vector_types() -> Iterator[str]:
    for name, kind, count in _VECTORS:
        yield f'<vector id="{name}_type" type="{kind}" count="{count}"/>'
    yield '<union id="vec128"><field name="uint128" type="uint128"/>'
    for name, _, _ in _VECTORS:
        yield f'<field name="{name}" type="{name}_type"/>'
    yield "</union>"


def _line(row: Register) -> str:
    group = f' group="{row.group}"' if row.group else ""
    return (
        f'<reg name="{row.name}" bitsize="{row.bits}" type="{row.kind}" regnum="{row.number}"'
        f"{group}/>"
    )
