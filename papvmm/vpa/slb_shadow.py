"""The SLB shadow buffer's layout (LoPAR 2.9; Linux: ``struct slb_shadow``).

The guest lists the segments that must survive; the hypervisor only ever reads them, to rebuild
the SLB after a machine check.
"""

from typing import Final

from papvmm.vpa.structure import Field, Structure, Writer

SLB_SHADOW: Final = Structure(
    "slb_shadow",
    16,
    (
        Field("persistent", 0, 4, Writer.GUEST),
        Field("buffer_length", 4, 4, Writer.GUEST),
    ),
)
BUFFER_LENGTH: Final = SLB_SHADOW["buffer_length"]

SAVE_AREA: Final = Structure(
    "save_area",
    16,
    (
        Field("esid", 0, 8, Writer.GUEST),
        Field("vsid", 8, 8, Writer.GUEST),
    ),
)
"""One entry; they follow the header."""
