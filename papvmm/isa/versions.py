"""Versions of the Power ISA, and which instructions came and went with each.

What a processor has follows from the version it implements. The mnemonics are those of the
descriptions in ``spec``; one that is not listed is in every version.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Isa(IntEnum):
    """A version of the Power ISA, in their order; each is a bit, so that a number tells a set."""

    V2_07 = 1
    V3_0 = 2
    V3_1 = 4


EVERY_VERSION: Final = Isa.V2_07 | Isa.V3_0 | Isa.V3_1


def versions(since: Isa = Isa.V2_07, until: Isa = Isa.V3_1) -> int:
    """Return the set of versions from one to another."""
    return sum(isa for isa in Isa if since <= isa <= until)


def usual_version(versions: int) -> Isa:
    """Return the version that stands for a set: POWER9's, or else the latest."""
    return Isa.V3_0 if versions & Isa.V3_0 else max(isa for isa in Isa if versions & isa)


_NEW_IN_3_0: Final = """
addex addpcis cmpeqb cmprb cnttzd cnttzw copy cpabort darn extswsli ldat lwat lxsd lxsibzx lxsihzx
lxssp lxv lxvb16x lxvh8x lxvl lxvll lxvwsx lxvx maddhd maddhdu maddld mcrxrx mffscdrn mffscdrni
mffsce mffscrn mffscrni mffsl mfvsrld modsd modsw modud moduw msgsync mtvsrdd mtvsrws paste. rfscv
scv setb slbieg slbsync stdat stop stwat stxsd stxsibx stxsihx stxssp stxv stxvb16x stxvh8x stxvl
stxvll stxvx vclzlsbb vcmpneb vcmpneb. vcmpneh vcmpneh. vcmpnew vcmpnew. vctzb vctzd vctzh
vctzlsbb vctzw vextublx vextubrx vextuhlx vextuhrx vextuwlx vextuwrx vpermr wait xscmpeqdp
xscmpexpdp xscmpgedp xscmpgtdp xscvdphp xscvhpdp xsiexpdp xsmaxcdp xsmaxjdp xsmincdp xsminjdp
xststdcdp xststdcsp xsxexpdp xsxsigdp xxbrd xxbrh xxbrq xxbrw xxextractuw xxinsertw xxperm xxpermr
xxspltib
"""
_NEW_IN_3_1: Final = """
brd brh brw cfuged cntlzdm cnttzdm pdepd pextd setbc setbcr setnbc setnbcr
"""
_ADDED: Final[Mapping[Isa, frozenset[str]]] = {
    Isa.V3_0: frozenset(_NEW_IN_3_0.split()),
    Isa.V3_1: frozenset(_NEW_IN_3_1.split()),
}

_GONE_IN_3_0: Final = "doze nap sleep rvwinkle"
_GONE_IN_3_1: Final = """
tbegin. tend. tsr. tabort. tabortwc. tabortwci. tabortdc. tabortdci. tcheck treclaim. trechkpt.
"""
_LAST: Final[Mapping[Isa, frozenset[str]]] = {
    Isa.V2_07: frozenset(_GONE_IN_3_0.split()),
    Isa.V3_0: frozenset(_GONE_IN_3_1.split()),
}
"""What a version was the last to have."""


def versions_with(mnemonic: str) -> int:
    """Return the set of versions that have an instruction."""
    since = next((isa for isa, names in _ADDED.items() if mnemonic in names), Isa.V2_07)
    until = next((isa for isa, names in _LAST.items() if mnemonic in names), Isa.V3_1)
    return versions(since, until)


def listed() -> frozenset[str]:
    """Return all mnemonics that not every version has."""
    return frozenset().union(*_ADDED.values(), *_LAST.values())
