"""The QMP commands papvmm has: QEMU's of these names, and its own, which begin with x-papvmm.

What changes the state of vcpus does so between two guest entries of every vcpu.
"""

from collections.abc import Mapping
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.commands.areas import AREAS
from papvmm.control.qmp.commands.files import FILES
from papvmm.control.qmp.commands.memory import MEMORY
from papvmm.control.qmp.commands.migration import MIGRATION
from papvmm.control.qmp.commands.objects import OBJECTS
from papvmm.control.qmp.commands.people import PEOPLE
from papvmm.control.qmp.commands.replay import REPLAY
from papvmm.control.qmp.commands.saving import SAVING
from papvmm.control.qmp.commands.status import STATUS
from papvmm.control.qmp.commands.steering import STEERING
from papvmm.control.qmp.commands.top import TOP
from papvmm.control.qmp.protocol import NEGOTIATE
from papvmm.control.qmp.schema import Command, Nothing, command
from papvmm.control.strict_json import Json


async def query_commands(_control: Control, _arguments: Nothing) -> Json:
    """List the commands."""
    return [{"name": name} for name in (NEGOTIATE, *COMMANDS)]


COMMANDS: Final[Mapping[str, Command]] = {
    one.name: one
    for one in (
        command("query-commands", Nothing, query_commands, oob=True),
        *STATUS,
        *STEERING,
        *AREAS,
        *FILES,
        *MEMORY,
        *OBJECTS,
        *PEOPLE,
        *REPLAY,
        *SAVING,
        *TOP,
        *MIGRATION,
    )
}
"""Those but for the negotiation, which the protocol does itself."""
