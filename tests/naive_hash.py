"""Hashed page table translation written down again, bit by bit as the Power ISA numbers them.

The oracle: it knows nothing of papvmm's search, looks at SLB and table at every access and
remembers nothing. Entries are those of version 2.07.
"""

from tests.naive_radix import SEGMENT

LOAD, STORE, FETCH = "load", "store", "fetch"
NO_PTE, NO_EXECUTE, PROTECTED, IS_STORE, KEY = 1 << 30, 1 << 28, 1 << 27, 1 << 25, 1 << 21

BASE_SIZES = {"0" + "00": 12, "1" + "01": 16, "1" + "00": 24}
"""L and LP of an SLB entry."""
PAGE_SIZES = {
    12: [("xxxx0111", 16), ("00111000", 24)],
    16: [("xxxx0001", 16), ("00001000", 24)],
    24: [("00000000", 24)],
}
"""LP of a page table entry with L=1: x is for bits of the page's real address."""
PERMITTED = {
    (0, "000"): "rw", (0, "001"): "rw", (0, "010"): "rw", (0, "011"): "r", (0, "110"): "r",
    (1, "001"): "r", (1, "010"): "rw", (1, "011"): "r",
}  # fmt: skip


class Refused(Exception):
    """The access ends in an interrupt."""


def bits(number):
    return f"{number:064b}"


def translate(slb, table, ea, access, *, problem_state, amr, iamr):
    """Return the real address, or raise ``Refused`` with SEGMENT or DSISR/SRR1 bits.

    ``slb`` is a list of RB and RS of slbmte, ``table`` is bytes whose R and C bits are set.
    """
    address = bits(ea)
    entry = next((vsid for esid, vsid in slb if _translates(bits(esid), bits(vsid), address)), None)
    if entry is None:
        raise Refused(SEGMENT)
    try:
        return _search(bits(entry), table, address, access, problem_state, bits(amr), bits(iamr))
    except Refused as refused:
        (causes,) = refused.args
        raise Refused(causes | IS_STORE if access == STORE else causes) from None


def _translates(esid, vsid, address):
    length = 36 if vsid[:2] == "00" else 24
    return esid[36] == "1" and esid[:length] == address[:length]


def _search(entry, table, address, access, problem_state, amr, iamr):
    if access == FETCH and entry[54] == "1":
        raise Refused(NO_EXECUTE)
    is_large = entry[:2] != "00"
    vsid = entry[2:40] if is_large else entry[2:52]
    offset = address[24:] if is_large else address[36:]
    base = BASE_SIZES.get(entry[55] + entry[58:60])
    if base is None:
        raise Refused(NO_PTE)
    page = int(offset[:-base], 2)
    number = int(vsid, 2)
    hashed = (number ^ number << 25 if is_large else number) ^ page
    avpn = bits(int(vsid + offset, 2) >> base << base >> 23)[-57:]
    for secondary in "01":
        if secondary == "1":
            hashed = ~hashed
        group = hashed % (len(table) // 128)
        for at in range(group * 128, group * 128 + 128, 16):
            first, second = (bits(int.from_bytes(table[at + n : at + n + 8])) for n in (0, 8))
            if (first[:2], first[2:57], first[62], first[63]) != (
                entry[:2], avpn[-55:], secondary, "1",
            ):  # fmt: skip
                continue
            size = _page_size(first, second, base)
            if size is None:
                continue
            _check(second, entry, access, problem_state, amr, iamr)
            table[at + 14] |= 1
            if access == STORE:
                table[at + 15] |= 0x80
            return int(second[4 : 64 - size] + address[64 - size :], 2)
    raise Refused(NO_PTE)


def _page_size(first, second, base):
    if first[61] == "0":
        return 12 if base == 12 else None
    for pattern, size in PAGE_SIZES[base]:
        has = all(want in ("x", bit) for want, bit in zip(pattern, second[44:52], strict=True))
        if has and (size == 16 or second[40:44] == "0000"):
            return size
    return None


def _check(second, entry, access, problem_state, amr, iamr):
    key = int(entry[53] if problem_state else entry[52])
    permitted = PERMITTED.get((key, second[0] + second[62:64]), "")
    class_key = int(second[2:4] + second[52:55], 2)
    no_store, no_load = amr[2 * class_key : 2 * class_key + 2]
    causes = 0
    if access == FETCH:
        if second[60] == "1" or second[61] == "1":
            causes += NO_EXECUTE
        elif "r" not in permitted:
            causes += PROTECTED
        if iamr[2 * class_key + 1] == "1":
            causes += KEY
    else:
        if ("w" if access == STORE else "r") not in permitted:
            causes += PROTECTED
        if (no_store if access == STORE else no_load) == "1":
            causes += KEY
    if causes:
        raise Refused(causes)
