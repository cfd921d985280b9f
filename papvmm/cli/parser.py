"""Reading a command's arguments: a mistake is one line that says what would be right."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from papvmm.errors import BadUsage


class Parser(ArgumentParser):
    """An argument parser that raises BadUsage instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has found wrong."""
        raise BadUsage(f"{message} ({self.prog} --help explains)")

    def read(self, argv: Sequence[str]) -> Namespace:
        """Read arguments; of an unknown option the error tells the most similar one."""
        args, unknown = self.parse_known_args(argv)
        if unknown:
            near = get_close_matches(unknown[0], re.findall(r"-{1,2}[\w-]+", self.format_usage()))
            hint = f"; is it {near[0]}?" if near else ""
            raise BadUsage(
                f"{self.prog} has no option {unknown[0]}{hint} ({self.prog} --help lists them)"
            )
        return args
