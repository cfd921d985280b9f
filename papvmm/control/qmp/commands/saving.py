"""Commands that save the guest."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.schema import BadArgument, command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class Save:
    """Where to: an absolute path on the host."""

    directory: str


async def save_guest(control: Control, arguments: Save) -> Json:
    """Save the guest; ``notes`` tells what a saved guest can't carry.

    ``save`` is the number of the save in the directory; ``pages``, how many have changed since the
    one before it, if there is one.
    """
    directory = _path(arguments.directory)
    guest = control.machine.guest
    saved = await control.machine.between_entries(lambda: control.saves.save(guest, directory))
    return {
        "directory": os.fspath(directory),
        "save": saved.number,
        "pages": saved.pages,
        "notes": list(saved.notes),
    }


def _path(text: str) -> Path:
    try:
        is_path = b"\0" not in os.fsencode(text) and os.path.isabs(text)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise BadArgument("the argument 'directory' must be an absolute path")
    return Path(text)


SAVING: Final = (command("x-papvmm-save", Save, save_guest),)
