"""Special purpose registers as a guest sees them: one row per SPR number.

Privilege is not in the rows: an SPR number with bit 0x10 is privileged, always (Power ISA
v3.0B, Book III, 4.4.4). Registers that only a hypervisor reaches behave for a guest as numbers
without a row do, and so have none: HSRR0, LPCR, TRIG1, writes of TBL, PURR or VTB, ...
How computed registers are read and written is in ``spec/sprmove.py``. CFAR and the performance
monitor's registers hold what software puts there: no branch and no event is recorded.
"""

from enum import Flag
from typing import Final

from papvmm.isa.facilities import Facility
from papvmm.isa.versions import EVERY_VERSION, Isa, versions
from papvmm.values import Value


class Access(Flag):
    """Which of mfspr and mtspr an SPR number knows."""

    R = 1
    W = 2
    RW = 3


class Spr(Value):
    """One SPR number: the register behind it, that register's width and how it is reached.

    ``facility`` governs accesses in problem state (all of them, for TM). A register that is
    not ``computed`` is a state cell of its own, under its name in lower case. Processors have
    it that implement one of ``versions`` of the Power ISA.
    """

    number: int
    name: str
    width: int
    access: Access
    facility: Facility | None = None
    computed: bool = False
    versions: int = EVERY_VERSION

    @property
    def is_privileged(self) -> bool:
        """Tell whether problem state is refused."""
        return is_privileged(self.number)


def is_privileged(number: int) -> bool:
    """Tell whether an SPR number, defined or not, is privileged."""
    return bool(number & 0x10)


R, W, RW = Access.R, Access.W, Access.RW
_PM, _EBB, _TM = Facility.PM, Facility.EBB, Facility.TM
_TO_3_0: Final = versions(until=Isa.V3_0)
_FROM_3_0: Final = versions(since=Isa.V3_0)
_FROM_3_1: Final = versions(since=Isa.V3_1)

_ROWS: Final = (
    Spr(1, "XER", 64, RW, computed=True),
    Spr(3, "DSCR", 64, RW, Facility.DSCR),
    Spr(8, "LR", 64, RW),
    Spr(9, "CTR", 64, RW),
    Spr(13, "AMR", 64, RW),
    Spr(17, "DSCR", 64, RW),
    Spr(18, "DSISR", 32, RW),
    Spr(19, "DAR", 64, RW),
    Spr(22, "DEC", 64, RW, computed=True),
    Spr(26, "SRR0", 64, RW),
    Spr(27, "SRR1", 64, RW),
    Spr(28, "CFAR", 64, RW),
    Spr(29, "AMR", 64, RW),
    Spr(48, "PID", 32, RW),
    Spr(61, "IAMR", 64, RW),
    Spr(128, "TFHAR", 64, RW, _TM, computed=True, versions=_TO_3_0),
    Spr(129, "TFIAR", 64, RW, _TM, computed=True, versions=_TO_3_0),
    Spr(130, "TEXASR", 64, RW, _TM, computed=True, versions=_TO_3_0),
    Spr(131, "TEXASRU", 32, RW, _TM, computed=True, versions=_TO_3_0),
    Spr(136, "CTRL", 32, R),
    Spr(144, "TIDR", 64, RW, versions=Isa.V3_0),
    Spr(152, "CTRL", 32, W),
    Spr(153, "FSCR", 64, RW),
    Spr(157, "UAMOR", 64, RW),
    Spr(159, "PSPB", 32, RW),
    Spr(176, "DPDES", 64, R),
    Spr(256, "VRSAVE", 32, RW),
    Spr(259, "SPRG3", 64, R),
    Spr(268, "TB", 64, R, computed=True),
    Spr(269, "TBU", 32, R, computed=True),
    Spr(272, "SPRG0", 64, RW),
    Spr(273, "SPRG1", 64, RW),
    Spr(274, "SPRG2", 64, RW),
    Spr(275, "SPRG3", 64, RW),
    Spr(283, "CIR", 32, R, versions=_TO_3_0),
    Spr(287, "PVR", 32, R),
    Spr(308, "SPURR", 64, R, computed=True),
    Spr(309, "PURR", 64, R, computed=True),
    Spr(446, "TIR", 64, R),
    Spr(468, "HASHKEYR", 64, RW, versions=_FROM_3_1),
    Spr(736, "SIER2", 64, R, _PM, versions=_FROM_3_1),
    Spr(737, "SIER3", 64, R, _PM, versions=_FROM_3_1),
    Spr(738, "MMCR3", 64, R, _PM, versions=_FROM_3_1),
    Spr(752, "SIER2", 64, RW, versions=_FROM_3_1),
    Spr(753, "SIER3", 64, RW, versions=_FROM_3_1),
    Spr(754, "MMCR3", 64, RW, versions=_FROM_3_1),
    Spr(768, "SIER", 64, R, _PM),
    Spr(769, "MMCR2", 64, RW, _PM),
    Spr(770, "MMCRA", 64, RW, _PM),
    *(Spr(770 + n, f"PMC{n}", 32, RW, _PM) for n in range(1, 7)),
    Spr(779, "MMCR0", 64, RW, _PM),
    Spr(780, "SIAR", 64, R, _PM),
    Spr(781, "SDAR", 64, R, _PM),
    Spr(782, "MMCR1", 64, R, _PM),
    Spr(784, "SIER", 64, RW),
    Spr(785, "MMCR2", 64, RW),
    Spr(786, "MMCRA", 64, RW),
    *(Spr(786 + n, f"PMC{n}", 32, RW) for n in range(1, 7)),
    Spr(795, "MMCR0", 64, RW),
    Spr(796, "SIAR", 64, RW),
    Spr(797, "SDAR", 64, RW),
    Spr(798, "MMCR1", 64, RW),
    Spr(800, "BESCRS", 64, RW, _EBB, computed=True),
    Spr(801, "BESCRSU", 32, RW, _EBB, computed=True),
    Spr(802, "BESCRR", 64, RW, _EBB, computed=True),
    Spr(803, "BESCRRU", 32, RW, _EBB, computed=True),
    Spr(804, "EBBHR", 64, RW, _EBB),
    Spr(805, "EBBRR", 64, RW, _EBB),
    Spr(806, "BESCR", 64, RW, _EBB),
    Spr(812, "DEXCR", 32, R, versions=_FROM_3_1),
    Spr(815, "TAR", 64, RW, Facility.TAR),
    Spr(823, "PSSCR", 64, RW, versions=_FROM_3_0),
    Spr(828, "DEXCR", 64, RW, versions=_FROM_3_1),
    Spr(848, "IC", 64, R, computed=True),
    Spr(849, "VTB", 64, R, computed=True),
    Spr(895, "WORT", 64, RW),
    Spr(896, "PPR", 64, RW),
    Spr(898, "PPR32", 32, RW, computed=True),
    Spr(1023, "PIR", 32, R),
)

SPRS: Final = {row.number: row for row in _ROWS}
"""Every SPR number that means something to a guest."""

STORED: Final = {row.name: row.width for row in _ROWS if not row.computed}
"""The registers that are state cells, with their widths in bits: those of their last rows."""
