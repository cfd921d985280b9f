"""``papvmm dis``: disassemble an ELF image."""

import sys
from argparse import ArgumentParser, Namespace

from papvmm.boot.elf import load_elf
from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.observe.listing import address, listing


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm dis``."""
    add = parser.add_argument
    add("image", metavar="ELF", help="an ELF64 ppc64 image, of either byte order")
    add("--start", metavar="WHERE", help="begin at this address, as linked, or symbol")
    add("--stop", metavar="WHERE", help="end before this address or symbol")


def run(args: Namespace) -> int:
    """Print the listing, line by line."""
    file = options.read_file(args.image)
    image = load_elf(file.name, file.data)
    start = 0 if args.start is None else address(image, args.start)
    stop = 1 << 64 if args.stop is None else address(image, args.stop)
    order = "little" if image.little_endian else "big"
    print(f"{image.name}: ppc64 {order}-endian, ELFv{image.abi}, entry {image.entry:#x}")
    for line in listing(image, start, stop):
        sys.stdout.write(f"{line}\n")
    return ExitCode.DONE
