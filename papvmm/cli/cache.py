"""``papvmm cache``: show, remove or prepare the native code that papvmm keeps between runs."""

import json
import time
from argparse import ArgumentParser, Namespace
from typing import Final

from papvmm.cli.exit_codes import ExitCode
from papvmm.engine.native.workshop import INTERPRETER
from papvmm.errors import BadInput
from papvmm.machine.code_store import DiskStore, Kept, cache_directory, kept_files, remove
from papvmm.machine.engine_version import engine_version
from papvmm.machine.shipped import ShippedStore, package_directory

_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm cache``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="ls|clear|warm")
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
    warms = "compile now what every guest needs, so that the first one need not wait for it"
    verbs.add_parser("warm", description=warms, allow_abbrev=False)


def run(args: Namespace) -> int:
    """List the cache, or clear it and say how much that has freed, or see to the interpreter."""
    if args.verb == "warm":
        warm()
        return ExitCode.DONE
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


def warm() -> None:
    """Have the interpreter in the cache: the shipped one, or else compile it."""
    from papvmm.machine.compiling import done_once  # noqa: PLC0415 - it needs what compiles

    store = DiskStore(cache_directory(), engine_version)
    if ShippedStore(store, package_directory()).keep():
        return
    try:
        done_once(INTERPRETER, store)
    except ImportError as error:
        raise BadInput(f"nothing can be compiled here: {error}; see that llvmlite works") from None
    if not store.has(INTERPRETER.name):
        raise BadInput(f"{cache_directory()} can't be written: see who owns it")


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
        "directory": cache_directory(),
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
