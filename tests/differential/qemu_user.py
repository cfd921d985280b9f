"""Programs in QEMU's user mode: one segment, which holds code, input, output and a window."""

import struct
import subprocess

CODE, INPUT, OUTPUT, WINDOW, END = 0x1_0000, 0x40_0000, 0x60_0000, 0x80_0000, 0x81_0000


def elf(code: bytes, data: bytes, order: str) -> bytes:
    """Return an executable of one segment that maps the file from its beginning."""
    ident = b"\x7fELF\2" + (b"\1" if order == "<" else b"\2") + b"\1"
    length = END - CODE
    header = struct.pack(
        f"{order}16sHHIQQQIHHHHHH", ident, 2, 21, 1, CODE, 64, 0, 2, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack(f"{order}IIQQQQQQ", 1, 7, CODE, CODE, CODE, length, length, CODE)
    return (
        (header + segment).ljust(CODE, b"\0")
        + code.ljust(INPUT - CODE, b"\0")
        + data.ljust(END - INPUT, b"\0")
    )


def on_qemu(code: bytes, data: bytes, directory, *, little_endian: bool) -> bytes:
    image = directory / "cases.elf"
    image.write_bytes(elf(code, data, "<" if little_endian else ">"))
    image.chmod(0o755)
    qemu = "qemu-ppc64le" if little_endian else "qemu-ppc64"
    run = subprocess.run([qemu, "-cpu", "power9", image], capture_output=True, check=True)
    return run.stdout
