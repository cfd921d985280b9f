"""``papvmm cache``: show or remove the native code that papvmm keeps between runs."""

import json
import time
from argparse import ArgumentParser, Namespace
from typing import Final

from papvmm.cli.exit_codes import ExitCode
from papvmm.machine.code_store import Kept, cache_directory, kept_files, remove
from papvmm.machine.engine_version import engine_version

_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm cache``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="ls|clear")
    shows = "list the machine code that is kept, the latest used first"
    ls = verbs.add_parser("ls", description=shows, allow_abbrev=False)
    ls.add_argument("--json", action="store_true", help="print JSON")
    removes = "remove the machine code that is kept; it is compiled again when it is needed"
    clear = verbs.add_parser("clear", description=removes, allow_abbrev=False)
    clear.add_argument(
        "--stale",
        action="store_true",
        help="only what other versions of papvmm, or other processors, have left",
    )


def run(args: Namespace) -> int:
    """List the cache, or clear it and say how much that has freed."""
    files = kept_files(cache_directory())
    if args.verb == "clear":
        gone = [file for file in files if not args.stale or file.engine != engine_version()]
        remove(gone)
        print(f"removed {_total(gone)} from {cache_directory()}")
    elif args.json:
        print(json.dumps(_as_json(files), indent=2))
    else:
        print(_table(files))
    return ExitCode.DONE


def _table(files: list[Kept]) -> str:
    """Return the listing for people."""
    name = max((len(file.name) for file in files), default=0)
    rows = [
        f"{file.name:{name}}  {size(file.size):>9}  {_age(time.time() - file.used):>6} ago"
        f"{'' if file.engine == engine_version() else '  stale'}"
        for file in files
    ]
    return "\n".join((*rows, f"{_total(files)} in {cache_directory()}"))


def _as_json(files: list[Kept]) -> dict[str, object]:
    return {
        "directory": str(cache_directory()),
        "engine": engine_version(),
        "bytes": sum(file.size for file in files),
        "files": [
            {
                "kind": file.kind,
                "name": file.name,
                "engine": file.engine,
                "stale": file.engine != engine_version(),
                "bytes": file.size,
                "used": file.used,
            }
            for file in files
        ],
    }


def _total(files: list[Kept]) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}, {size(sum(f.size for f in files))}"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    if count < 1 << 10:
        return f"{count} bytes"
    unit, shift = ("MiB", 20) if count >= 1 << 20 else ("KiB", 10)
    return f"{count / (1 << shift):.1f} {unit}"


def _age(seconds: float) -> str:
    length, unit = next((age for age in _AGES if seconds >= age[0]), _AGES[-1])
    return f"{int(seconds / length)} {unit}"
