"""The device tree of the pseries machine: what PAPR has it say, of what papvmm has.

Nothing is advertised that isn't there: no PCI, no Open Firmware.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from papvmm.boot.image import Places
from papvmm.clock import TIMEBASE_HZ
from papvmm.devices.nvram import NVRAM_SIZE, NVRAM_UNIT
from papvmm.devices.vty import VTY_INTERRUPT, VTY_UNIT
from papvmm.isa import slb
from papvmm.isa.processors import DEFAULT_MODEL, CpuModel
from papvmm.isa.state import LARGE_DECREMENTER
from papvmm.isa.versions import Isa
from papvmm.mmu.hash_table import table_shift
from papvmm.mmu.hashed import SIZES
from papvmm.papr.affinity import MEMORY_DOMAINS, REFERENCE_POINTS, domains
from papvmm.papr.fdt import DeviceTree, Node, cells, cells64, strings
from papvmm.papr.rtas import RTAS_CALLS

CLOCK_HZ: Final = 1_000_000_000
"""One instruction takes 1 ns of virtual time."""

CACHE_LINE: Final = 128
CACHE_SIZE: Final = 32 << 10
EDGE: Final = 0
"""The second cell of an interrupt that is triggered by an edge."""

HYPERTAS_FUNCTIONS: Final = (
    "hcall-pft", "hcall-term", "hcall-interrupt", "hcall-splpar", "hcall-bulk", "hcall-set-mode",
    "hcall-sprg0", "hcall-copy", "hcall-random", "hcall-vphn",
)  # fmt: skip
"""Names PAPR gives to the sets of hypercalls in ``papr/hcalls``."""


class Feature(NamedTuple):
    """A bit of ibm,pa-features: its byte, and its number there from the most significant.

    Processors have it since a version of the Power ISA.
    """

    byte: int
    bit: int
    since: Isa = Isa.V2_07


PA_FEATURES: Final = {
    "memory management unit": Feature(0, 0),
    "floating-point unit": Feature(0, 1),
    "segment lookaside buffer": Feature(0, 2),
    "run latch": Feature(0, 3),
    "no-execute pages": Feature(0, 6),
    "cache-inhibited large pages": Feature(1, 2),
    "little-endian": Feature(5, 0),
    "radix trees": Feature(40, 0, Isa.V3_0),
}
"""Attributes that kernels look at; transactional memory (22, 0) isn't offered."""

_PA_FEATURES_BYTES: Final = {Isa.V2_07: 24, Isa.V3_0: 66, Isa.V3_1: 66}

VECTOR_5: Final = {
    "affinity form 1": Feature(5, 0),
    "radix trees": Feature(24, 1, Isa.V3_0),
    "guest translation shootdown": Feature(26, 1, Isa.V3_0),
}
"""Options that client and platform have agreed on (ibm,architecture-vec-5); byte 0 is a length.

Linux asks its firmware for hashed page tables if its arguments say so. Here there is no firmware
to ask, so that the platform looks at them: see ``disables_radix``.
"""
DISABLE_RADIX: Final = "disable_radix"
NO: Final = ("=0", "=n", "=N", "=off", "=no")

_VECTOR_5_BYTES: Final = 27
NO_SIZE: Final = (0xFFFF_FFFF, 0xFFFF_FFFF)
"""Sizes of segments there could be, too: of 2 to the power of 32 and more."""
RADIX_PAGES: Final = ((0, 12), (5, 16), (1, 21), (2, 30))
"""AP encodings of the page sizes of radix trees, with the number of address bits of each."""


def pseries(
    memory_size: int,
    vcpu_ids: Sequence[int],
    bootargs: str,
    places: Places,
    model: CpuModel = DEFAULT_MODEL,
) -> DeviceTree:
    """Return the tree of a machine with RAM from 0 and vcpus with these server numbers.

    The first of them boots.
    """
    root = Node(
        "",
        {
            "#address-cells": cells(2),
            "#size-cells": cells(2),
            "compatible": strings("IBM,pseries", "qemu,pseries"),
            "model": strings("papvmm"),
            "device_type": strings("chrp"),
        },
        [
            _chosen(bootargs, places, model.isa),
            _rtas(places),
            Node(
                "cpus",
                {"#address-cells": cells(1), "#size-cells": cells(0)},
                [_cpu(vcpu_id, model, memory_size) for vcpu_id in vcpu_ids],
            ),
            _memory(memory_size),
            _vdevice(),
            _interrupt_controller(vcpu_ids),
        ],
    )
    rtas = places.rtas
    return DeviceTree(root, ((rtas.start, rtas.end - rtas.start),), vcpu_ids[0])


def completed(tree: DeviceTree, bootargs: str, places: Places) -> DeviceTree:
    """Return a user's tree with what depends on the run: arguments, the initrd, and RTAS."""
    root = tree.root
    chosen, rtas = (_child(root, name) for name in ("chosen", "rtas"))
    if bootargs:
        chosen.properties["bootargs"] = strings(bootargs)
    chosen.properties |= _initrd(places)
    rtas.properties |= _rtas_place(places)
    reserved = (places.rtas.start, places.rtas.end - places.rtas.start)
    return DeviceTree(root, (*tree.reservations, reserved), tree.boot_cpuid)


def _child(root: Node, name: str) -> Node:
    """Return a child of the root, made if it isn't there."""
    found = root.find(name)
    if found is None:
        found = Node(name)
        root.children.append(found)
    return found


def disables_radix(bootargs: str) -> bool:
    """Tell whether these arguments have Linux ask for hashed page tables, as it reads them."""
    words = [word for word in bootargs.split() if word.startswith(DISABLE_RADIX)]
    return bool(words) and words[0].removeprefix(DISABLE_RADIX) not in NO


def _chosen(bootargs: str, places: Places, isa: Isa) -> Node:
    options = _bits(VECTOR_5, _VECTOR_5_BYTES, Isa.V2_07 if disables_radix(bootargs) else isa)
    console = strings(f"/vdevice/vty@{VTY_UNIT:x}")
    properties = {
        "bootargs": strings(bootargs),
        "stdout-path": console,
        "linux,stdout-path": console,
        "ibm,architecture-vec-5": bytes((_VECTOR_5_BYTES - 2,)) + options[1:],
    }
    return Node("chosen", properties | _initrd(places))


def _initrd(places: Places) -> dict[str, bytes]:
    if places.initrd is None:
        return {}
    return {
        "linux,initrd-start": cells64(places.initrd.start),
        "linux,initrd-end": cells64(places.initrd.end),
    }


def _memory(size: int) -> Node:
    return Node(
        "memory@0",
        {
            "device_type": strings("memory"),
            "reg": cells64(0, size),
            "ibm,associativity": _counted(MEMORY_DOMAINS),
        },
    )


def _counted(numbers: Sequence[int]) -> bytes:
    """Return a list that begins with its length."""
    return cells(len(numbers), *numbers)


def _rtas_place(places: Places) -> dict[str, bytes]:
    start, end = places.rtas
    return {"linux,rtas-base": cells(start), "rtas-size": cells(end - start)}


def _rtas(places: Places) -> Node:
    """Return /rtas.

    It has no linux,rtas-entry, as QEMU's tree has none before firmware runs: bare guests then
    use H_RTAS, and Linux enters RTAS at its base.
    """
    tokens = {call.name: cells(call.token) for call in RTAS_CALLS}
    properties = _rtas_place(places) | {
        "ibm,hypertas-functions": strings(*HYPERTAS_FUNCTIONS),
        # Linux calls ibm,os-term only where it is known to return.
        "ibm,extended-os-term": b"",
        "ibm,associativity-reference-points": cells(*REFERENCE_POINTS),
        "ibm,max-associativity-domains": _counted((1,) * len(MEMORY_DOMAINS)),
    }
    return Node("rtas", properties | tokens)


def _cpu(vcpu_id: int, model: CpuModel, memory_size: int) -> Node:
    size = _PA_FEATURES_BYTES[model.isa]
    return Node(
        f"PowerPC,{model.family}@{vcpu_id:x}",
        {
            "device_type": strings("cpu"),
            "reg": cells(vcpu_id),
            "status": strings("okay"),
            "cpu-version": cells(model.arch_compat),
            "ibm,ppc-interrupt-server#s": cells(vcpu_id),
            "ibm,ppc-interrupt-gserver#s": cells(vcpu_id, 0),
            "ibm,associativity": _counted(domains(vcpu_id)),
            "clock-frequency": cells(CLOCK_HZ),
            "timebase-frequency": cells(TIMEBASE_HZ),
            "i-cache-line-size": cells(CACHE_LINE),
            "i-cache-block-size": cells(CACHE_LINE),
            "i-cache-size": cells(CACHE_SIZE),
            "d-cache-line-size": cells(CACHE_LINE),
            "d-cache-block-size": cells(CACHE_LINE),
            "d-cache-size": cells(CACHE_SIZE),
            "ibm,pa-features": bytes((size, 0)) + _bits(PA_FEATURES, size, model.isa),
            "ibm,purr": cells(1),
            "ibm,spurr": cells(1),
            "ibm,vmx": cells(2),
            "64-bit": b"",
        }
        | _hashed(memory_size)
        | _extras(model),
    )


def _hashed(memory_size: int) -> dict[str, bytes]:
    """Return what a processor's translation by hashed page tables is like."""
    pages: list[int] = []
    for base, size in SIZES.items():
        encodings = (number for pair in size.pages.items() for number in pair)
        pages += [base, size.encoding, len(size.pages), *encodings]
    return {
        "ibm,pft-size": cells(0, table_shift(memory_size)),
        "ibm,slb-size": cells(slb.ENTRIES),
        "slb-size": cells(slb.ENTRIES),
        "ibm,segment-page-sizes": cells(*pages),
        "ibm,processor-segment-sizes": cells(slb.SHIFT_256M, slb.SHIFT_1T, *NO_SIZE),
    }


def _extras(model: CpuModel) -> dict[str, bytes]:
    """Return the properties of a processor that not all have."""
    properties = {}
    if model.has_large_decrementer:
        properties["ibm,dec-bits"] = cells(LARGE_DECREMENTER)
    if model.has_radix_trees:
        pages = (ap << 29 | bits for ap, bits in RADIX_PAGES)
        properties["ibm,processor-radix-AP-encodings"] = cells(*pages)
    return properties


def _bits(features: Mapping[str, Feature], size: int, isa: Isa) -> bytes:
    """Return ``size`` bytes in which the bits are one that a processor has."""
    attributes = bytearray(size)
    for feature in features.values():
        if feature.since > isa:
            continue
        attributes[feature.byte] |= 0x80 >> feature.bit
    return bytes(attributes)


def _vdevice() -> Node:
    vty = Node(
        f"vty@{VTY_UNIT:x}",
        {
            "device_type": strings("serial"),
            "compatible": strings("hvterm1"),
            "reg": cells(VTY_UNIT),
            "interrupts": cells(VTY_INTERRUPT, EDGE),
        },
    )
    nvram = Node(
        f"nvram@{NVRAM_UNIT:x}",
        {
            "device_type": strings("nvram"),
            "compatible": strings("qemu,spapr-nvram"),
            "reg": cells(NVRAM_UNIT),
            "#bytes": cells(NVRAM_SIZE),
        },
    )
    return Node(
        "vdevice",
        {
            "device_type": strings("vdevice"),
            "compatible": strings("IBM,vdevice"),
            "#address-cells": cells(1),
            "#size-cells": cells(0),
            "interrupt-controller": b"",
            "#interrupt-cells": cells(2),
        },
        [vty, nvram],
    )


def _interrupt_controller(vcpu_ids: Sequence[int]) -> Node:
    return Node(
        "interrupt-controller",
        {
            "device_type": strings("PowerPC-External-Interrupt-Presentation"),
            "compatible": strings("IBM,ppc-xicp"),
            "interrupt-controller": b"",
            "#address-cells": cells(0),
            "#interrupt-cells": cells(2),
            "ibm,interrupt-server-ranges": cells(min(vcpu_ids), max(vcpu_ids) + 1 - min(vcpu_ids)),
            "phandle": cells(1),
            "linux,phandle": cells(1),
        },
    )
