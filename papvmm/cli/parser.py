"""Reading a command's arguments: a mistake is one line that says what would be right."""

import os
import re
from argparse import ArgumentParser, HelpFormatter, Namespace
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

from papvmm.errors import BadUsage


class Formatter(HelpFormatter):
    """A formatter that asks for the terminal's width without loading shutil.

    argparse makes one for every option.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


@cache
def _columns() -> int:
    """Return the width of the terminal, which COLUMNS overrides; 80 if there is none."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


class Parser(ArgumentParser):
    """An argument parser that raises BadUsage instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has found wrong."""
        raise BadUsage(f"{message} ({self.prog} --help explains)")

    def read(self, argv: Sequence[str]) -> Namespace:
        """Read arguments; of an unknown option the error tells the most similar one."""
        args, unknown = self.parse_known_args(argv)
        if unknown:
            from difflib import get_close_matches  # noqa: PLC0415 - most options are known

            known = re.findall(r"(?<![\w-])-{1,2}[\w-]+", self.format_help())
            near = get_close_matches(unknown[0], known)
            hint = f"; is it {near[0]}?" if near else ""
            raise BadUsage(
                f"{self.prog} has no option {unknown[0]}{hint} ({self.prog} --help lists them)"
            )
        return args
