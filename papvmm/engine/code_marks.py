"""Marks in ``GuestMemory.code``: who derived what from a line of RAM.

A store to a derived line has to be noticed. A NEXT mark is on the line before one, which a
store that begins there may cross.
"""

from typing import Final

from papvmm.mmu.page_tables import CODE_TABLE

CODE_HERE: Final = 1
CODE_NEXT: Final = 2
"""The Python engine's traces."""
CODE_NATIVE: Final = 4
CODE_NATIVE_NEXT: Final = 8
"""The native engine's op records and regions."""
CODE_REGION: Final = 16
"""The native engine's regions."""
CODE_WATCHED: Final = 32
"""Somebody wants to know of every store."""

DERIVED: Final = CODE_HERE | CODE_NATIVE | CODE_REGION | CODE_WATCHED | CODE_TABLE
"""A store to this line has to be noticed."""
