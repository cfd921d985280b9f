"""Extended mnemonics (Power ISA v3.0B, Book I, appendix C), as rewriting rules.

A rule is what people write and what it stands for. Letters in brackets may be there on both
sides. Operands on the right are sums and products of the names on the left, which need not be
operands of the ISA.
"""

import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from papvmm.isa.sprs import SPRS, Access

SIMPLE: Final = {
    "nop": "ori 0,0,0",
    "xnop": "xori 0,0,0",
    "yield": "or 27,27,27",
    "li RT,SI": "addi RT,0,SI",
    "lis RT,SI": "addis RT,0,SI",
    "la RT,D(RA)": "addi RT,RA,D",
    "subi RT,RA,n": "addi RT,RA,-n",
    "subis RT,RA,n": "addis RT,RA,-n",
    "subic RT,RA,n": "addic RT,RA,-n",
    "subic. RT,RA,n": "addic. RT,RA,-n",
    "sub[o][.] RT,RB,RA": "subf[o][.] RT,RA,RB",
    "subc[o][.] RT,RB,RA": "subfc[o][.] RT,RA,RB",
    "lnia RT": "addpcis RT,0",
    "subpcis RT,n": "addpcis RT,-n",
    "mr[.] RA,RS": "or[.] RA,RS,RS",
    "not[.] RA,RS": "nor[.] RA,RS,RS",
    "crset BT": "creqv BT,BT,BT",
    "crclr BT": "crxor BT,BT,BT",
    "crmove BT,BA": "cror BT,BA,BA",
    "crnot BT,BA": "crnor BT,BA,BA",
    "mtcr RS": "mtcrf 255,RS",
    "isellt RT,RA,RB": "isel RT,RA,RB,0",
    "iselgt RT,RA,RB": "isel RT,RA,RB,1",
    "iseleq RT,RA,RB": "isel RT,RA,RB,2",
    # Words.
    "extlwi[.] RA,RS,n,b": "rlwinm[.] RA,RS,b,0,n-1",
    "extrwi[.] RA,RS,n,b": "rlwinm[.] RA,RS,(b+n)%32,32-n,31",
    "inslwi[.] RA,RS,n,b": "rlwimi[.] RA,RS,(32-b)%32,b,b+n-1",
    "insrwi[.] RA,RS,n,b": "rlwimi[.] RA,RS,(32-b-n)%32,b,b+n-1",
    "rotlwi[.] RA,RS,n": "rlwinm[.] RA,RS,n,0,31",
    "rotrwi[.] RA,RS,n": "rlwinm[.] RA,RS,(32-n)%32,0,31",
    "rotlw[.] RA,RS,RB": "rlwnm[.] RA,RS,RB,0,31",
    "slwi[.] RA,RS,n": "rlwinm[.] RA,RS,n,0,31-n",
    "srwi[.] RA,RS,n": "rlwinm[.] RA,RS,(32-n)%32,n,31",
    "clrlwi[.] RA,RS,n": "rlwinm[.] RA,RS,0,n,31",
    "clrrwi[.] RA,RS,n": "rlwinm[.] RA,RS,0,0,31-n",
    "clrlslwi[.] RA,RS,b,n": "rlwinm[.] RA,RS,n,b-n,31-n",
    # Doublewords.
    "extldi[.] RA,RS,n,b": "rldicr[.] RA,RS,b,n-1",
    "extrdi[.] RA,RS,n,b": "rldicl[.] RA,RS,(b+n)%64,64-n",
    "insrdi[.] RA,RS,n,b": "rldimi[.] RA,RS,(64-b-n)%64,b",
    "rotldi[.] RA,RS,n": "rldicl[.] RA,RS,n,0",
    "rotrdi[.] RA,RS,n": "rldicl[.] RA,RS,(64-n)%64,0",
    "rotld[.] RA,RS,RB": "rldcl[.] RA,RS,RB,0",
    "sldi[.] RA,RS,n": "rldicr[.] RA,RS,n,63-n",
    "srdi[.] RA,RS,n": "rldicl[.] RA,RS,(64-n)%64,n",
    "clrldi[.] RA,RS,n": "rldicl[.] RA,RS,0,n",
    "clrrdi[.] RA,RS,n": "rldicr[.] RA,RS,0,63-n",
    "clrlsldi[.] RA,RS,b,n": "rldic[.] RA,RS,n,b-n",
    # Vectors.
    "vmr VRT,VRA": "vor VRT,VRA,VRA",
    "vnot VRT,VRA": "vnor VRT,VRA,VRA",
    "xxspltd XT,XA,n": "xxpermdi XT,XA,XA,3*n",
    "xxmrghd XT,XA,XB": "xxpermdi XT,XA,XB,0",
    "xxmrgld XT,XA,XB": "xxpermdi XT,XA,XB,3",
    "xxswapd XT,XA": "xxpermdi XT,XA,XA,2",
    "mffprd RA,FRS": "mfvsrd RA,FRS",
    "mffprwz RA,FRS": "mfvsrwz RA,FRS",
    "mtfprd FRT,RA": "mtvsrd FRT,RA",
    "mtfprwa FRT,RA": "mtvsrwa FRT,RA",
    "mtfprwz FRT,RA": "mtvsrwz FRT,RA",
    "mfvrd RA,VRS": "mfvsrd RA,32+VRS",
    "mfvrwz RA,VRS": "mfvsrwz RA,32+VRS",
    "mtvrd VRT,RA": "mtvsrd 32+VRT,RA",
    "mtvrwa VRT,RA": "mtvsrwa 32+VRT,RA",
    "mtvrwz VRT,RA": "mtvsrwz 32+VRT,RA",
    # System.
    "trap": "tw 31,0,0",
    "hwsync": "sync 0",
    "lwsync": "sync 1",
    "ptesync": "sync 2",
    "dcbfl RA,RB": "dcbf RA,RB,1",
    "dcbflp RA,RB": "dcbf RA,RB,3",
    "dcbtt RA,RB": "dcbt RA,RB,16",
    "dcbtstt RA,RB": "dcbtst RA,RB,16",
    "rfebb": "rfebb 1",
    "mftb RT": "mfspr RT,268",
    "mftbu RT": "mfspr RT,269",
    "mtsprg n,RS": "mtspr 272+n,RS",
    "mfsprg RT,n": "mfspr RT,272+n",
    "tlbie RB": "tlbie RB,0,0,0,0",
    "tlbiel RB": "tlbiel RB,0,0,0,0",
    # Branches that always go.
    "blr[l]": "bclr[l] 20,0,0",
    "bctr[l]": "bcctr[l] 20,0,0",
    "btar[l]": "bctar[l] 20,0,0",
}

CONDITIONS: Final = {
    "lt": (12, 0), "gt": (12, 1), "eq": (12, 2), "so": (12, 3), "un": (12, 3),
    "ge": (4, 0), "nl": (4, 0), "le": (4, 1), "ng": (4, 1), "ne": (4, 2), "ns": (4, 3),
    "nu": (4, 3),
}  # fmt: skip
"""BO, and which bit of a CR field."""

COUNTING: Final = {"dnz": 16, "dz": 18}
TESTING: Final = {"t": 12, "f": 4, "dnzt": 8, "dnzf": 0, "dzt": 10, "dzf": 2}
"""BO of branches that count, and of those that name a CR bit."""

TRAPS: Final = {
    "lt": 16, "le": 20, "eq": 4, "ge": 12, "gt": 8, "nl": 12, "ne": 24, "ng": 20,
    "llt": 2, "lle": 6, "lge": 5, "lgt": 1, "lnl": 5, "lng": 6, "u": 31,
}  # fmt: skip
"""TO."""


def hinted(bo: int) -> Iterator[tuple[str, int]]:
    """Yield the suffixes that say how likely a branch is, with the BO that says so."""
    likely = 0b01001 if bo in COUNTING.values() else 0b00011
    yield from (("", bo), ("+", bo | likely), ("-", bo | likely & ~1))


def _branches() -> Iterator[tuple[str, str]]:
    for name, (bo, bit) in CONDITIONS.items():
        for hint, value in hinted(bo):
            yield f"b{name}[l][a]{hint} BD", f"bc[l][a] {value},{bit},BD"
            yield f"b{name}[l][a]{hint} BF,BD", f"bc[l][a] {value},4*BF+{bit},BD"
            for register in ("lr", "ctr", "tar"):
                yield f"b{name}{register}[l]{hint}", f"bc{register}[l] {value},{bit},0"
                yield f"b{name}{register}[l]{hint} BF", f"bc{register}[l] {value},4*BF+{bit},0"
    for name, bo in COUNTING.items():
        for hint, value in hinted(bo):
            yield f"b{name}[l][a]{hint} BD", f"bc[l][a] {value},0,BD"
            yield f"b{name}lr[l]{hint}", f"bclr[l] {value},0,0"
    for name, bo in TESTING.items():
        yield f"b{name}[l][a] BI,BD", f"bc[l][a] {bo},BI,BD"
        for register in ("lr", "ctr", "tar")[: None if len(name) == 1 else 1]:
            yield f"b{name}{register}[l] BI", f"bc{register}[l] {bo},BI,0"


def _traps() -> Iterator[tuple[str, str]]:
    for name, to in TRAPS.items():
        for size in "wd":
            yield f"t{size}{name} RA,RB", f"t{size} {to},RA,RB"
            yield f"t{size}{name}i RA,SI", f"t{size}i {to},RA,SI"


def _compares() -> Iterator[tuple[str, str]]:
    for size, number in (("w", 0), ("d", 1)):
        for suffix, operand, plain in (
            ("", "RB", "cmp"), ("i", "SI", "cmpi"), ("", "RB", "cmpl"), ("i", "UI", "cmpli"),
        ):  # fmt: skip
            name = f"{plain.removesuffix('i')}{size}{suffix}"
            yield f"{name} RA,{operand}", f"{plain} 0,{number},RA,{operand}"
            yield f"{name} BF,RA,{operand}", f"{plain} BF,{number},RA,{operand}"


def _sprs() -> Iterator[tuple[str, str]]:
    """Yield moves by name; of several numbers the last is meant, which is the privileged one."""
    for spr in SPRS.values():
        name = spr.name.lower()
        if Access.W in spr.access:
            yield f"mt{name} RS", f"mtspr {spr.number},RS"
        if Access.R in spr.access and name not in ("tb", "tbu"):
            yield f"mf{name} RT", f"mfspr RT,{spr.number}"


def _expanded(written: str, plain: str) -> Iterator[tuple[str, str]]:
    """Yield a rule with each choice of the letters in brackets."""
    letters = re.findall(r"\[(.)\]", written)
    for chosen in product((False, True), repeat=len(letters)):
        sides = [written, plain]
        for letter, is_there in zip(letters, chosen, strict=True):
            sides = [side.replace(f"[{letter}]", letter * is_there, 1) for side in sides]
        yield sides[0], sides[1]


EXTENDED: Final = {
    rule[0]: rule[1]
    for family in (SIMPLE.items(), _branches(), _traps(), _compares(), _sprs())
    for pair in family
    for rule in _expanded(*pair)
}
"""Every rule: what is written, and what it stands for."""
