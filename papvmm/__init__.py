"""papvmm: an asyncio-based virtual machine monitor for PAPR (pseries) ppc64 guests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papvmm.machine.library import Machine

__version__ = "0.1.0"
__all__ = ["Machine", "__version__"]


def __getattr__(name: str) -> object:
    """Import ``Machine`` when it is asked for, so that ``papvmm --version`` need not."""
    if name == "Machine":
        from papvmm.machine.library import Machine  # noqa: PLC0415

        return Machine
    raise AttributeError(f"module 'papvmm' has no attribute {name!r}")
