"""The archive that Linux unpacks: header fields as Linux's buffer-format.rst lists them."""

from papvmm.boot.initramfs import (
    CHARACTER_DEVICE,
    CONSOLE,
    DIRECTORY,
    PROGRAM,
    Member,
    initramfs,
)

MODE, LINKS, SIZE, MAJOR, MINOR, NAME_SIZE = 1, 4, 6, 9, 10, 11


def records(archive: bytes) -> list[tuple[str, list[int], bytes]]:
    """Name, the 13 numbers of the header, and content, read as the kernel reads them."""
    found, at = [], 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        numbers = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        end = at + 110 + numbers[NAME_SIZE]
        name, start = archive[at + 110 : end - 1].decode(), end + -end % 4
        found.append((name, numbers, archive[start : start + numbers[SIZE]]))
        at = start + numbers[SIZE] + -numbers[SIZE] % 4
    return found


def test_a_file_has_its_name_mode_and_content():
    archive = initramfs([Member("init", PROGRAM, b"#!/bin/sh\n")])

    (name, numbers, data), _ = records(archive)
    assert (name, numbers[MODE], numbers[LINKS], data) == ("init", 0o100755, 1, b"#!/bin/sh\n")


def test_a_device_has_its_numbers():
    archive = initramfs(
        [Member("dev", DIRECTORY), Member("dev/console", CHARACTER_DEVICE, device=CONSOLE)]
    )

    _, (name, numbers, data), _ = records(archive)
    assert (name, numbers[MAJOR], numbers[MINOR], data) == ("dev/console", 5, 1, b"")


def test_the_archive_ends_with_the_record_that_says_so():
    archive = initramfs([Member("odd", PROGRAM, b"123")])

    assert records(archive)[-1][0] == "TRAILER!!!"
    assert len(archive) % 4 == 0
