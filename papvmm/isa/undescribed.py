"""Instruction words without a description: floating point, vectors, and the illegal ones.

The tables list the extended opcodes of Power ISA v3.0B (Book I, chapters 4 to 7) and what
version 3.1 added, so that an instruction of a facility that is off is told from one that does
not exist.
"""

from collections.abc import Iterable
from typing import Final

from papvmm.bits import field
from papvmm.isa.exit import UNAVAILABLE, Exit
from papvmm.isa.facilities import Unit
from papvmm.isa.versions import Isa
from papvmm.values import Value


class Group(Value):
    """Instructions of one primary opcode, told apart by bits ``first`` to ``last``.

    For the extended opcodes in ``narrowed``, bits 11:15 must be one of a few values. ``high``
    is the unit if bit ``high_bit`` selects a VSR that is a vector register. Processors have them
    that implement version ``since`` of the Power ISA.
    """

    opcode: int
    first: int
    last: int
    unit: Unit
    extended: frozenset[int]
    narrowed: dict[int, frozenset[int]]
    high: Unit
    high_bit: int
    since: Isa

    def unit_of(self, word: int) -> Unit | None:
        """Return what the word needs, or None if it is not of this group."""
        extended = field(word, self.first, self.last)
        if field(word, 0, 5) != self.opcode or extended not in self.extended:
            return None
        if field(word, 11, 15) not in self.narrowed.get(extended, range(32)):
            return None
        return self.high if field(word, self.high_bit, self.high_bit) else self.unit


def _group(
    opcode: int,
    bits: tuple[int, int],
    unit: Unit,
    extended: Iterable[int],
    narrowed: dict[int, Iterable[int]] | None = None,
    high: Unit | None = None,
    high_bit: int = 31,
    since: Isa = Isa.V2_07,
) -> Group:
    narrow = {number: frozenset(values) for number, values in (narrowed or {}).items()}
    every = frozenset(extended) | narrow.keys()
    return Group(opcode, *bits, unit, every, narrow, high or unit, high_bit, since)


_A, _VA, _VC = (26, 30), (26, 31), (22, 31)
_X, _XO, _Z22, _Z23 = (21, 30), (21, 31), (22, 30), (23, 30)
_XX2, _XX3, _XX4 = (21, 29), (21, 28), (26, 27)

_SUMS: Final = (18, 20, 21, 22, 24, 25, 26, 28, 29, 30, 31)
"""fdiv fsub fadd fsqrt fre fmul frsqrte fmsub fmadd fnmsub fnmadd, single and double."""

_DECIMAL: Final = (
    2, 34, 130, 162, 258, 290, 322, 354, 514, 546, 642, 674, 675, 770, 802, 834, 866,
)  # fmt: skip
"""Decimal floating point, long and quad, of X form."""

_FP_X: Final = (
    0, 8, 12, 14, 15, 32, 38, 40, 64, 70, 72, 128, 134, 136, 142, 143, 160, 264, 392, 424, 456,
    488, 711, 814, 815, 838, 846, 942, 943, 966, 974,
)  # fmt: skip
_QUAD: Final = (4, 36, 100, 132, 164, 388, 420, 452, 484, 516, 548, 644, 708, 868)

_FP_STORAGE: Final = (535, 567, 599, 631, 663, 695, 727, 759, 791, 855, 887, 919, 983)
_VECTOR_STORAGE: Final = (6, 7, 38, 39, 71, 103, 135, 167, 199, 231, 359, 487)
_VSX_STORAGE: Final = (
    12, 76, 140, 332, 524, 588, 652, 716, 780, 781, 812, 813, 844, 876, 908, 909, 940, 941, 972,
    1004,
)  # fmt: skip
_VSX_OR_VECTOR: Final = (268, 300, 269, 301, 364, 396, 428, 397, 429, 307, 403, 435)
"""lxvx lxvl lxvll lxvwsx, stxvx stxvl stxvll, mfvsrld mtvsrws mtvsrdd."""
_FP_OR_VECTOR: Final = (51, 115, 179, 211, 243)
"""mfvsrd mfvsrwz mtvsrd mtvsrwa mtvsrwz."""

_VA_FORM: Final = (*range(32, 48), 59, 60, 61, 62, 63)
_VX_FORM: Final = (
    # Sums, differences, products and BCD.
    0, 64, 128, 192, 256, 320, 384, 512, 576, 640, 768, 832, 896, 1024, 1088, 1152, 1216, 1280,
    1344, 1408, 1536, 1600, 1664, 1792, 1856, 1920, 1, 65, 513, 577, 833, 1025, 1537, 1089,
    1601, 1153, 1665, 1217, 1729, 1281, 1793, 1345, 1857, 1473, 1985,
    # Extremes, averages, absolute differences, counts.
    2, 66, 130, 194, 258, 322, 386, 450, 514, 578, 642, 706, 770, 834, 898, 962, 1026, 1090,
    1154, 1282, 1346, 1410, 1027, 1091, 1155, 1794, 1858, 1922, 1986, 1795, 1859, 1923, 1987,
    # Rotates, shifts, logical.
    4, 68, 132, 196, 133, 197, 389, 453, 260, 324, 388, 452, 1476, 516, 580, 644, 708, 1732,
    772, 836, 900, 964, 1028, 1092, 1156, 1220, 1284, 1348, 1412, 1668, 1540, 1604, 1796, 1860,
    # Products, sums across, cryptography.
    8, 72, 136, 264, 328, 392, 520, 584, 648, 776, 840, 904, 137, 1032, 1096, 1160, 1224, 1288,
    1289, 1352, 1353, 1480, 1544, 1608, 1672, 1800, 1928, 1666, 1730,
    # Floating point.
    10, 74, 266, 330, 394, 458, 522, 586, 650, 714, 778, 842, 906, 970, 1034, 1098,
    # Merges, splats, permutes, extracts and inserts.
    12, 76, 140, 268, 332, 396, 524, 588, 652, 780, 844, 908, 1036, 1100, 1292, 1356, 1484,
    1676, 1932, 525, 589, 653, 717, 781, 845, 909, 973, 1549, 1613, 1677, 1805, 1869, 1933,
    # Packs and unpacks.
    14, 78, 142, 206, 270, 334, 398, 462, 526, 590, 654, 718, 782, 846, 974, 1102, 1230, 1358,
    1486, 1614, 1742,
)  # fmt: skip
_VC_FORM: Final = (
    6, 7, 70, 71, 134, 135, 198, 199, 263, 327, 391, 454, 518, 582, 646, 710, 711, 774, 838,
    902, 966, 967,
)  # fmt: skip

_XX3_FORM: Final = (
    # Arithmetic: columns of scalar and vector, single and double.
    *range(0, 64, 8), *range(64, 128, 8), *range(128, 184, 8), *range(192, 256, 8),
    *range(1, 256, 8),
    # Permutes and logical.
    2, 34, 66, 98, 10, 42, 74, 106, 18, 26, 50, 58, *range(130, 192, 8),
    # Compares, the vector ones with Rc=1, too; tests for division.
    3, 11, 19, 35, 43, 59, 67, 75, 83, 99, 107, 115, 195, 203, 211, 227, 235, 243, 61, 93, 125,
)  # fmt: skip
_XX2_FORM: Final = (
    10, 11, 26, 72, 73, 74, 75, 88, 89, 90, 105, 106, 107, 121, 136, 137, 138, 139, 152, 153,
    154, 164, 165, 168, 169, 170, 171, 181, 184, 185, 200, 201, 202, 203, 216, 217, 218, 232,
    233, 234, 235, 248, 249, 265, 267, 281, 296, 298, 312, 328, 329, 331, 344, 345, 360, 361,
    362, 376, 377, 392, 393, 408, 409, 424, 425, 426, 427, 440, 441, 442, 443, 456, 457, 472,
    473, 488, 489, 490, 491, 504, 505, 506, 507,
)  # fmt: skip

_VX_3_0: Final = (
    1, 65, 133, 197, 389, 453, 513, 525, 577, 589, 653, 717, 781, 833, 845, 909, 973, 1027, 1091,
    1153, 1155, 1217, 1281, 1345, 1473, 1484, 1549, 1613, 1677, 1729, 1793, 1796, 1805, 1860,
    1869, 1933, 1985,
)  # fmt: skip
_ADDED_BY_3_0: Final = (
    *(_group(opcode, _X, Unit.FP, (675,), since=Isa.V3_0) for opcode in (59, 63)),
    _group(57, (30, 31), Unit.VSX, (2, 3), since=Isa.V3_0),
    _group(61, (30, 31), Unit.VSX, (2, 3), since=Isa.V3_0),
    _group(61, (29, 31), Unit.VSX, (1, 5), high=Unit.VECTOR, high_bit=28, since=Isa.V3_0),
    _group(31, _X, Unit.VSX, (781, 812, 813, 876, 909, 940, 941, 1004), since=Isa.V3_0),
    _group(31, _X, Unit.VSX, _VSX_OR_VECTOR, high=Unit.VECTOR, since=Isa.V3_0),
    _group(4, _VA, Unit.VECTOR, (35, 59), since=Isa.V3_0),
    _group(
        4,
        _XO,
        Unit.VECTOR,
        _VX_3_0,
        {
            1409: (0, 2, 4, 5, 6, 7, 31),
            1921: (0, 2, 4, 5, 6, 7, 31),
            1538: (0, 1, 6, 7, 8, 9, 10, 16, 17, 24, 25, 26, 28, 29, 30, 31),
        },
        since=Isa.V3_0,
    ),
    _group(4, _VC, Unit.VECTOR, (7, 71, 135, 263, 327, 391), since=Isa.V3_0),
    _group(
        60, _XX3, Unit.VSX, (3, 11, 19, 26, 58, 59, 128, 136, 144, 152, 216, 248), since=Isa.V3_0
    ),
    _group(
        60,
        _XX2,
        Unit.VSX,
        (165, 181, 298, 362, 426, 427, 442, 443, 490, 491, 506, 507),
        {347: (0, 1, 16, 17), 475: (0, 1, 7, 8, 9, 15, 23, 24, 25, 31)},
        since=Isa.V3_0,
    ),
    _group(60, _X, Unit.VSX, (918,), {360: range(8)}, since=Isa.V3_0),
    _group(
        63,
        _X,
        Unit.VSX,
        _QUAD,
        {804: (0, 2, 8, 16, 18, 27), 836: (1, 2, 9, 10, 17, 20, 22, 25)},
        since=Isa.V3_0,
    ),
    _group(63, _Z23, Unit.VSX, (5, 37), since=Isa.V3_0),
)
"""Found first: other groups have some of them, too."""

_VX_3_1: Final = (
    # Quotients, remainders and products.
    11, 139, 203, 267, 395, 459, 523, 651, 715, 779, 907, 971, 1547, 1675, 1739, 1803, 1931, 1995,
    200, 456, 457, 649, 712, 713, 905, 968, 969,
    # Compares, rotates and shifts of quadwords.
    5, 69, 257, 261, 321, 325, 517, 773,
    # Inserts, extracts, gathers and counts under a mask.
    15, 79, 143, 207, 271, 335, 399, 463, 527, 591, 655, 719, 783, 847, 911, 975, 397, 461, 1228,
    1357, 1421, 1485, 1924, 1988,
)  # fmt: skip
_MATRIX: Final = (
    2, 3, 18, 19, 26, 27, 34, 35, 42, 43, 50, 51, 58, 59, 75, 82, 90, 99, 107, 114, 122, 146, 154,
    178, 186, 210, 218, 242, 250,
)  # fmt: skip
_ADDED_BY_3_1: Final = (
    _group(6, (28, 31), Unit.VSX, (0, 1), since=Isa.V3_1),
    _group(
        31,
        _X,
        Unit.VSX,
        (13, 45, 77, 109, 141, 173, 205, 237, 333, 461),
        {177: (0, 1, 3)},
        since=Isa.V3_1,
    ),
    _group(4, _VA, Unit.VECTOR, range(20, 32), since=Isa.V3_1),
    _group(
        4,
        _XO,
        Unit.VECTOR,
        _VX_3_1,
        {
            13: range(4),
            1037: range(4),
            1538: (27,),
            1602: (*range(5), *range(8, 13), *range(16, 21), *range(24, 32)),
        },
        since=Isa.V3_1,
    ),
    _group(4, _VC, Unit.VECTOR, (455, 647, 903), since=Isa.V3_1),
    _group(59, _XX3, Unit.VSX, _MATRIX, since=Isa.V3_1),
    _group(60, _X, Unit.VSX, (916, 917, 948, 949), {360: (31,)}, since=Isa.V3_1),
    _group(60, _XX2, Unit.VSX, (), {475: (2, 16, 17)}, since=Isa.V3_1),
    _group(63, _X, Unit.VSX, (68, 196, 228, 676, 740), {836: (0, 3, 8, 11)}, since=Isa.V3_1),
    _group(63, _X, Unit.FP, (), {994: (0, 1)}, since=Isa.V3_1),
)

GROUPS: Final = (
    *_ADDED_BY_3_0,
    *(_group(opcode, (0, 5), Unit.FP, (opcode,)) for opcode in range(48, 56)),
    _group(57, (30, 31), Unit.FP, (0,)),
    _group(61, (30, 31), Unit.FP, (0,)),
    _group(31, _X, Unit.FP, _FP_STORAGE),
    _group(31, _X, Unit.VECTOR, _VECTOR_STORAGE),
    _group(31, _X, Unit.VSX, _VSX_STORAGE),
    _group(31, _X, Unit.FP, _FP_OR_VECTOR, high=Unit.VECTOR),
    _group(59, _A, Unit.FP, _SUMS),
    _group(59, _X, Unit.FP, (*_DECIMAL, 846, 974)),
    _group(63, _A, Unit.FP, (*_SUMS, 23)),
    _group(63, _X, Unit.FP, (*_DECIMAL, *_FP_X), {583: (0, 1, 20, 21, 22, 23, 24)}),
    *(_group(opcode, _Z22, Unit.FP, (66, 98, 194, 226)) for opcode in (59, 63)),
    *(_group(opcode, _Z23, Unit.FP, (3, 35, 67, 99, 227)) for opcode in (59, 63)),
    _group(4, _VA, Unit.VECTOR, _VA_FORM),
    _group(
        4,
        _XO,
        Unit.VECTOR,
        _VX_FORM,
    ),
    _group(4, _VC, Unit.VECTOR, _VC_FORM),
    _group(60, _XX4, Unit.VSX, (3,)),
    _group(60, _XX3, Unit.VSX, _XX3_FORM),
    _group(
        60,
        _XX2,
        Unit.VSX,
        _XX2_FORM,
    ),
    *_ADDED_BY_3_1,
)


def facility_of(word: int, isa: Isa) -> Unit | None:
    """Return the facility that an instruction without description needs; None: it is illegal.

    ``isa`` is the version of the Power ISA that the processor implements.
    """
    for group in GROUPS:
        unit = group.unit_of(word)
        if unit is not None:
            return unit if isa >= group.since else None
    return None


def undescribed(word: int, msr: int, isa: Isa) -> Exit:
    """Return what a word without description comes to in the state that ``msr`` describes."""
    return without_description(facility_of(word, isa), msr)


def without_description(unit: Unit | None, msr: int) -> Exit:
    """Return what comes of an instruction that needs a facility; without one, it is illegal."""
    if unit is None:
        return Exit.ILLEGAL
    return Exit.NOT_BUILT if msr & unit else UNAVAILABLE[unit]
