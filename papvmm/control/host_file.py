"""Files that a monitor's client asks for: their owner's alone, and whole or not there."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from papvmm.errors import PapvmmError


class CanNotWrite(PapvmmError):
    """A file can't be written; the text says why in one line."""


@contextmanager
def new_file(path: str) -> Iterator[int]:
    """Give the descriptor of a file that is at ``path`` afterwards, if all goes well.

    Until then what was there stays. A regular file is replaced, nothing else is.
    """
    try:
        directory, name = os.path.split(os.path.abspath(path))
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise CanNotWrite(f"{path}: it is there already, and no file")
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    except (OSError, ValueError) as error:
        raise CanNotWrite(f"{path}: {_why(error)}") from None
    try:
        yield descriptor
        os.rename(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise CanNotWrite(f"{path}: {_why(error)}") from None
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
