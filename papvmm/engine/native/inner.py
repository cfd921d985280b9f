"""Why native code stops for the engine's own sake."""

from enum import IntEnum


class Inner(IntEnum):
    """Reasons that the executor deals with itself; distinct from every ``Stop`` and ``Exit``."""

    TRANSLATE = 192
    """There is no op page for CIA, and no place for one, or no memory at CIA.

    With translation on, CIA is not in the fetch TLB.
    """
    MISSING = 193
    """The interpreter is a starter, which has no handler for the instruction at CIA."""
