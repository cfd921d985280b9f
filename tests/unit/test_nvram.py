"""Partitions in NVRAM, as Linux reads them (arch/powerpc/kernel/nvram_64.c), and CHRP says."""

from papvmm.devices.nvram import NVRAM_SIZE, Nvram


def partitions(content: bytes) -> list[tuple[int, bytes, int, bool]]:
    """Signature, name, length, and whether the checksum is right, of each."""
    found, at = [], 0
    while at < len(content):
        header = content[at : at + 16]
        total = header[0] + sum(header[2:16])
        while total > 0xFF:
            total = (total & 0xFF) + (total >> 8)
        length = int.from_bytes(header[2:4], "big") * 16
        found.append((header[0], header[4:], length, total == header[1]))
        at += length
    return found


def test_a_new_nvram_has_a_system_partition_and_a_free_one_that_fill_it():
    first, second = partitions(bytes(Nvram().content))

    assert (first[0], first[1].rstrip(b"\0"), first[3]) == (0x70, b"common", True)
    assert (second[0], second[1], second[3]) == (0x7F, b"w" * 12, True)
    assert first[2] + second[2] == NVRAM_SIZE
