"""The processors a guest may have (``-cpu``): names as QEMU spells them, one row each.

What all processors of one version of the Power ISA share is said of the version.
"""

from collections.abc import Mapping
from typing import Final

from papvmm.errors import BadUsage
from papvmm.isa.versions import Isa
from papvmm.values import Value


class CpuModel(Value):
    """A processor: its name, the family its node in a device tree is called by, and its PVR."""

    name: str
    family: str
    pvr: int
    isa: Isa

    @property
    def arch_compat(self) -> int:
        """The logical processor version of its architecture, as PAPR numbers them."""
        return ARCH_COMPAT[self.isa]

    @property
    def has_radix_trees(self) -> bool:
        """Tell whether it translates by radix trees, too."""
        return self.isa >= Isa.V3_0

    @property
    def has_large_decrementer(self) -> bool:
        """Tell whether LPCR[LD] can be one."""
        return self.isa >= Isa.V3_0


ARCH_COMPAT: Final[Mapping[Isa, int]] = {
    Isa.V2_07: 0x0F00_0004,
    Isa.V3_0: 0x0F00_0005,
    Isa.V3_1: 0x0F00_0006,
}

CPU_MODELS: Final = (
    CpuModel("power8e_v2.1", "POWER8E", 0x004B_0201, Isa.V2_07),
    CpuModel("power8nvl_v1.0", "POWER8NVL", 0x004C_0100, Isa.V2_07),
    CpuModel("power8_v2.0", "POWER8", 0x004D_0200, Isa.V2_07),
    CpuModel("power9_v2.0", "POWER9", 0x004E_1200, Isa.V3_0),
    CpuModel("power9_v2.2", "POWER9", 0x004E_1202, Isa.V3_0),
    CpuModel("power10_v2.0", "POWER10", 0x0080_0200, Isa.V3_1),
)

CPU_ALIASES: Final[Mapping[str, str]] = {
    "power8e": "power8e_v2.1",
    "power8nvl": "power8nvl_v1.0",
    "power8": "power8_v2.0",
    "power9": "power9_v2.2",
    "power10": "power10_v2.0",
}
"""What people type, and the version that stands for."""

_BY_NAME: Final = {model.name: model for model in CPU_MODELS}

DEFAULT_MODEL: Final = _BY_NAME["power9_v2.2"]


def cpu_model(name: str) -> CpuModel:
    """Return the processor of a name or alias, in upper or lower case; BadUsage if none has it."""
    asked = name.lower()
    model = _BY_NAME.get(CPU_ALIASES.get(asked, asked))
    if model is None:
        raise BadUsage(
            f"there is no processor {name!r}; there is {', '.join(CPU_ALIASES)}"
            " (-cpu help lists versions)"
        )
    return model


def type_name(model: CpuModel) -> str:
    """Return what QEMU calls the class of a processor."""
    return f"{model.name}-powerpc64-cpu"


def cpu_list() -> str:
    """Return all names as QEMU lists them for ``-cpu help``."""
    lines = [f"PowerPC {model.name:<16} PVR {model.pvr:08x}" for model in CPU_MODELS]
    lines += [f"PowerPC {alias:<16} (alias for {name})" for alias, name in CPU_ALIASES.items()]
    return "\n".join(lines)
