"""The command that has a line of the human monitor carried out."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.hmp.monitor import human
from papvmm.control.qmp.schema import command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class Line:
    """A command line, and the vcpu it is about."""

    command_line: str
    cpu_index: int = 0


async def human_monitor_command(control: Control, arguments: Line) -> Json:
    """Return what the human monitor prints; its lines end as a terminal's do."""
    text = await human(control, arguments.command_line, arguments.cpu_index)
    return text.replace("\n", "\r\n")


PEOPLE: Final = (command("human-monitor-command", Line, human_monitor_command),)
