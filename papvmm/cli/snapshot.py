"""``papvmm snapshot``: what is in the directories of saved guests."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Final

from papvmm.cli.exit_codes import ExitCode
from papvmm.control.snapshot.chain import Chain, Save, read_chain
from papvmm.control.snapshot.difference import Change, Difference, compare
from papvmm.control.snapshot.load import load, named_save
from papvmm.control.snapshot.ram import places
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import PAGE

ACROSS: Final = 64
ROWS: Final = 16
"""Cells of the picture of RAM."""
CELLS: Final = "░▒█"
"""None of its pages differs, some do, all do."""
SHOWN: Final = 40
"""Changes that are listed of each kind, unless all are asked for."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm snapshot``."""
    commands = parser.add_subparsers(dest="what", metavar="ls|diff|verify", required=True)
    ls = commands.add_parser("ls", help="list the saves in a directory")
    ls.add_argument("directory", metavar="DIR")
    diff = commands.add_parser("diff", help="show in what two saves differ")
    diff.add_argument("one", metavar="DIR[@N]", help="a save: the newest in DIR, or the N-th")
    diff.add_argument("other", metavar="DIR[@N]")
    diff.add_argument("--all", action="store_true", help="list every page and register")
    verify = commands.add_parser("verify", help="check that every save is as it was saved")
    verify.add_argument("directory", metavar="DIR")


def run(args: Namespace) -> int:
    """Print what is asked for; ``diff`` returns whether anything differs."""
    match args.what:
        case "ls":
            for line in listing(read_chain(named_save(args.directory)[0])):
                print(line)
        case "verify":
            print(verified(args.directory))
        case _:
            one, other = find(args.one), find(args.other)
            difference = compare(one, other)
            for line in shown(difference, None if args.all else SHOWN):
                print(line)
            return ExitCode.FINDING if _differs(difference) else ExitCode.DONE
    return ExitCode.DONE


def find(text: str) -> tuple[Chain, Save]:
    """Return the save that a user names."""
    directory, number = named_save(text)
    chain = read_chain(directory)
    try:
        return chain, chain.find(number)
    except BadInput as error:
        raise BadInput(f"{directory}: {error}") from None


def listing(chain: Chain) -> Iterator[str]:
    """Return the table of saves."""
    yield f"{'save':>4}  {'saved':25}  {'icount':>18}  {'resets':>6}  {'pages':>8}  {'bytes':>12}"
    for number, save in enumerate(chain.saves, start=1):
        data = chain.files[save.ram]
        runs = places(save.ram, data, chain.config.memory_size)
        pages = sum(-(-length // PAGE) for _, length, _ in runs)
        names = (save.ram, save.state, save.hash_table)
        size = sum(len(chain.files[name]) for name in names if name is not None)
        position = save.position
        yield (
            f"{number:4}  {save.saved:25}  {position.icount:18,}  {position.resets:6}"
            f"  {pages:8,}  {size:12,}"
        )


def verified(directory: str) -> str:
    """Return a line that says that all is well; BadInput says what isn't."""
    path, _ = named_save(directory)
    chain = read_chain(path)
    for number in range(1, len(chain.saves) + 1):
        load(path, "python", number)
    count = len(chain.saves)
    return f"{path}: {count} save{'s' * (count != 1)}, {len(chain.files)} files: all as saved"


def _differs(difference: Difference) -> bool:
    return bool(difference.pages or difference.areas or difference.registers or difference.others)


def shown(difference: Difference, most: int | None) -> Iterator[str]:
    """Return the lines that show a difference."""
    pages, total = difference.pages, -(-difference.memory_size // PAGE)
    yield f"RAM: {len(pages):,} of {total:,} pages differ"
    if pages:
        yield from picture(difference)
        yield from _some([f"  {gpa:#x}" for gpa in pages], most)
    for what, changes in (
        ("areas, as asked for", difference.areas),
        ("registers", difference.registers),
        ("all else", difference.others),
    ):
        if changes:
            yield f"{what}: {len(changes)} differ"
            yield from _some([_line(change) for change in changes], most)


def picture(difference: Difference) -> Iterator[str]:
    """Draw RAM: a cell for some pages."""
    pages = set(difference.pages)
    each = max(PAGE, -(-difference.memory_size // (ACROSS * ROWS * PAGE)) * PAGE)
    for row in range(0, difference.memory_size, each * ACROSS):
        cells = ""
        for cell in range(row, min(row + each * ACROSS, difference.memory_size), each):
            end = min(cell + each, difference.memory_size)
            inside = [gpa in pages for gpa in range(cell, end, PAGE)]
            cells += CELLS[2 if all(inside) else int(any(inside))]
        yield f"  {row:#12x} {cells}"
    same, some, everything = CELLS
    yield f"  a cell is {each >> 10} KiB: {same} the same, {some} some differ, {everything} all"


def _line(change: Change) -> str:
    return f"  {change.what}: {change.before} -> {change.after}"


def _some(lines: list[str], most: int | None) -> Iterator[str]:
    yield from lines[:most]
    if most is not None and len(lines) > most:
        yield f"  and {len(lines) - most} more: --all lists them"
