"""What papvmm tells clients that ask which QEMU it is."""

from typing import Final

from papvmm import __version__

QEMU: Final = (9, 2, 0)
"""Clients choose what they do by the version of QEMU."""
PACKAGE: Final = f"papvmm-{__version__}"
"""Which program this really is."""
