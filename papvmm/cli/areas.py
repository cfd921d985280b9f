"""``papvmm areas``: run areas scripts, and compare with what they expect."""

import gzip
import json
import sys
import zlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.options import read_file
from papvmm.errors import BadInput
from papvmm.machine.areas_script import Script, difference, parse_script, run_script

_GZIP = b"\x1f\x8b"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="scripts, one a line; gzip or not")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the results of every operation, one script a line",
    )


def run(args: Namespace) -> int:
    """Run every script; FINDING if one gives other results than it expects."""
    findings = sys.stderr if args.json else sys.stdout
    passed = failed = 0
    for script in _scripts(Path(args.file)):
        results = run_script(script)
        if args.json or script.exp is None:
            print(json.dumps({"id": script.id, "results": results}))
        if script.exp is None:
            continue
        found = difference(script, results)
        if found is None:
            passed += 1
        else:
            failed += 1
            print(f"{script.where}: {script.id!r}: {found}", file=findings)
    if passed or failed:
        print(f"{passed} passed, {failed} failed", file=findings)
    return ExitCode.FINDING if failed else ExitCode.DONE


def _scripts(path: Path) -> Iterator[Script]:
    try:
        data = read_file(str(path)).data
        text = (gzip.decompress(data) if data.startswith(_GZIP) else data).decode()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise BadInput(f"{path}: damaged gzip: {error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text: {error}") from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise BadInput(f"{path}: there is no script in it")
    for number, line in lines:
        yield parse_script(line, f"{path}:{number}")
