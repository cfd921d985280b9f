"""The process's stdin, as a guest's console may use it: what it is, and its terminal mode."""

import os
import select
import stat
from types import TracebackType
from typing import Final, Self

FD: Final = 0


class Stdin:
    """Within the ``with`` block a terminal passes every key on at once.

    That goes for ^C and its like, too, if ``raw``; otherwise they are signals for papvmm.
    """

    def __init__(self, *, raw: bool) -> None:
        self._raw: Final = raw
        mode: Final = os.fstat(FD).st_mode
        self.is_terminal: Final = os.isatty(FD)
        """Whether somebody types."""
        self.is_file: Final = stat.S_ISREG(mode)
        self.is_stream: Final = self.is_terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        """Whether there may be something to read, and not yet."""
        self._saved: list[int | list[bytes | int]] | None = None

    def __enter__(self) -> Self:
        if self.is_terminal:
            import termios  # noqa: PLC0415 - most guests that start quickly have no terminal
            import tty  # noqa: PLC0415

            self._saved = termios.tcgetattr(FD)
            tty.setcbreak(FD)
            if self._raw:
                mode = termios.tcgetattr(FD)
                mode[tty.IFLAG] &= ~(termios.ICRNL | termios.IXON)
                mode[tty.LFLAG] &= ~termios.ISIG
                termios.tcsetattr(FD, termios.TCSAFLUSH, mode)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._saved is not None:
            import termios  # noqa: PLC0415

            termios.tcsetattr(FD, termios.TCSADRAIN, self._saved)

    def has_come(self) -> bool:
        """Tell whether there is something to read, or the end."""
        return self.is_stream and bool(select.select((FD,), (), (), 0)[0])

    def read(self, most: int) -> bytes:
        """Return what has come, at most so many bytes; nothing at the end."""
        return os.read(FD, most)

    def read_all(self) -> bytes:
        """Return all there is in a file."""
        with open(FD, "rb", closefd=False) as file:
            return file.read()
