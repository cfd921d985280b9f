"""Commands about files that a client hands over through the socket."""

import os
from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.schema import command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file is called."""

    fdname: str


async def getfd(control: Control, arguments: FileName) -> Json:
    """Give a name to the file that came along (SCM_RIGHTS)."""
    control.files.name(arguments.fdname)
    return {}


async def closefd(control: Control, arguments: FileName) -> Json:
    """Close the file of a name."""
    os.close(control.files.take(arguments.fdname))
    return {}


FILES: Final = (
    command("getfd", FileName, getfd),
    command("closefd", FileName, closefd),
)
