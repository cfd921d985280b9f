"""The human monitor: one command line in, its answer out, for whoever speaks to people."""

from collections.abc import Mapping
from typing import Final

from papvmm.control.control import Control
from papvmm.control.hmp.command import Call, HmpCommand, Refusal
from papvmm.control.hmp.information import INFORMATION
from papvmm.control.hmp.memory import MEMORY
from papvmm.control.hmp.migration import MIGRATING, MIGRATION_INFO
from papvmm.control.hmp.steering import STEERING
from papvmm.errors import PapvmmError

INFO: Final = "info"


async def human(control: Control, line: str, vcpu_id: int = 0) -> str:
    """Carry out a command line at a vcpu; return what QEMU's monitor would print.

    Lines end in newlines. What is wrong with the command is part of the answer;
    NoSuchVcpu if there is no such vcpu.
    """
    vcpu = control.vcpu(vcpu_id)
    name, *words = line.split() or ("",)
    if not name:
        return ""
    table = COMMANDS
    if name == INFO and words:
        table, name, words = INFOS, words[0], words[1:]
    command = table.get(name)
    if command is None:
        shown = name if table is COMMANDS else f"{INFO} {name}"
        return f"unknown command: '{shown}'\n"
    try:
        return await command.act(Call(control, vcpu, tuple(words)))
    except Refusal as refusal:
        return f"{refusal}\n"
    except PapvmmError as error:
        return f"Error: {error}\n"


async def _help(call: Call) -> str:
    """Say how commands are used: all, or the one that is named."""
    table, words = COMMANDS, call.words
    if words[:1] == (INFO,):
        table, words = INFOS, words[1:]
    if not words:
        prefix = "" if table is COMMANDS else f"{INFO} "
        unique = dict.fromkeys(table.values())
        return "".join(f"{prefix}{command.usage}\n" for command in unique)
    command = table.get(words[0])
    if command is None:
        raise Refusal(f"unknown command: '{call.rest}'")
    return f"{command.usage}\n"


async def _info(_call: Call) -> str:
    """Say what there is to know."""
    return await _help(Call(_call.control, _call.vcpu, (INFO,)))


def _by_name(commands: tuple[HmpCommand, ...]) -> Mapping[str, HmpCommand]:
    return {name: command for command in commands for name in command.names}


INFOS: Final = _by_name((*INFORMATION, MIGRATION_INFO))
COMMANDS: Final = _by_name(
    tuple(
        sorted(
            (
                *MEMORY,
                *MIGRATING,
                *STEERING,
                HmpCommand(("help", "?"), "[cmd]", "show the help", _help),
                HmpCommand((INFO,), "[subcommand]", "show various information", _info),
            ),
            key=lambda command: command.names,
        )
    )
)
