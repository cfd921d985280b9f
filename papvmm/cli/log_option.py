"""``-d CLASS[,CLASS…]`` and ``-D FILE``: a log of what happens to a guest."""

import sys
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO, TypeAlias

from papvmm.cli.options import QUESTIONS, metrics_address
from papvmm.cli.stderr import complain
from papvmm.errors import BadInput
from papvmm.machine.guest import Guest

Write: TypeAlias = Callable[[str], None]
"""Takes a line of a log."""


def add_log_arguments(parser: ArgumentParser) -> None:
    """Add what says what is to be told of a guest: logs, traces and metrics."""
    add = parser.add_argument_group("watching").add_argument
    add("-d", action=LogAction, default=frozenset(), metavar="CLASS[,CLASS…]",
        help="log what happens: int, hcall, vpa, dtl, unimp … (-d help lists them)")  # fmt: skip
    add("-D", metavar="FILE", help="where that log goes (default: stderr)")
    add("--trace", metavar="FILE.pftrace",
        help="write what happens as a Perfetto trace; papvmm trace does the same")  # fmt: skip
    add("--metrics", type=metrics_address, metavar="unix:PATH|tcp:HOST:PORT",
        help="serve Prometheus metrics by HTTP there")  # fmt: skip
    add("--metrics-file", metavar="FILE",
        help="keep Prometheus metrics in a file, as node_exporter's textfiles")  # fmt: skip


def log_classes(text: str) -> frozenset[str]:
    """Read ``int,hcall``; a question is answered by ``Ask``."""
    from papvmm.observe.log import CLASSES  # noqa: PLC0415 - few runs are logged

    names = text.split(",")
    for name in names:
        if name not in CLASSES:
            from difflib import get_close_matches  # noqa: PLC0415 - most are known

            near = get_close_matches(name, CLASSES, n=1, cutoff=0.4)
            hint = f"; is it {near[0]}?" if near else ""
            raise ArgumentTypeError(
                f"there is no log class {name!r}{hint} There are {', '.join(CLASSES)}"
            )
    return frozenset(names)


class LogAction(Action):
    """Reads the classes, or lists them and ends the command."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Do what ``-d`` asks for."""
        text = str(values)
        if text in QUESTIONS:
            from papvmm.observe.log import CLASSES  # noqa: PLC0415 - few ask

            print("\n".join(f"{name:<14}{meaning}" for name, meaning in CLASSES.items()))
            parser.exit()
        try:
            setattr(namespace, self.dest, log_classes(text))
        except ArgumentTypeError as error:
            parser.error(f"argument {option_string}: {error}")


class LogFile:
    """A log in a file; a guest doesn't end because there is no room for it."""

    def __init__(self, path: str) -> None:
        self._path: Final = path
        self._lost = False
        try:
            self._file: Final[TextIO] = open(path, "w", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from None

    def write(self, line: str) -> None:
        """Append a line; after the first failure, of which people are told, do nothing."""
        if not self._lost:
            try:
                self._file.write(f"{line}\n")
            except OSError as error:
                self._lose(error)

    def close(self) -> None:
        """Write what has been kept back."""
        try:
            self._file.close()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        if not self._lost:
            complain(f"the log ends early: {self._path}: {error.strerror}")
        self._lost = True


@contextmanager
def logged(guest: Guest, args: Namespace) -> Iterator[Write | None]:
    """Log what ``-d`` asks for where ``-D`` says; hand out where missing calls go, if anywhere."""
    if not args.d:
        yield None
        return
    from papvmm.observe.log import UNIMP, Log  # noqa: PLC0415

    file = None if args.D is None else LogFile(args.D)
    write = _on_stderr if file is None else file.write
    if args.d != {UNIMP}:
        Log(guest, args.d, write)
        _narrate(guest, args.d, write)
    missing = (complain if file is None else write) if UNIMP in args.d else None
    try:
        yield missing
    finally:
        if file is not None:
            file.close()


def _narrate(guest: Guest, classes: frozenset[str], write: Write) -> None:
    """Have instructions told, if they are to be."""
    from papvmm.observe.instructions import PER_INSTRUCTION, narrate  # noqa: PLC0415

    slow = sorted(classes & PER_INSTRUCTION)
    if slow:
        from papvmm.control.hmp.registers import registers  # noqa: PLC0415

        complain(f"-d {','.join(slow)}: one instruction at a time, hundreds of times slower")
        narrate(guest, classes, write, registers)


def _on_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
