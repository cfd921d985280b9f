"""Commands about migrations: QEMU's, as far as they have a meaning here."""

from dataclasses import asdict, dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.migration.settings import set_capability, set_parameters
from papvmm.control.qmp.schema import BadArgument, Nothing, command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class Migrate:
    """Where to; ``detach`` changes nothing, as in QEMU."""

    uri: str
    detach: bool = True


@dataclass(frozen=True, slots=True)
class MigrateIncoming:
    """Where from."""

    uri: str


@dataclass(frozen=True, slots=True)
class SetParameters:
    """Which parameters, and what they become."""

    downtime_limit: int | None = None
    max_bandwidth: int | None = None
    max_cpu_throttle: int | None = None


@dataclass(frozen=True, slots=True)
class SetCapabilities:
    """A list of ``capability`` and ``state``."""

    capabilities: list[object]


async def migrate(control: Control, arguments: Migrate) -> Json:
    """Begin to send the guest away."""
    control.migration.send(control.machine, _with_file(control, arguments.uri))
    return {}


async def migrate_incoming(control: Control, arguments: MigrateIncoming) -> Json:
    """Begin to wait for a guest."""
    control.migration.expect(control.machine, _with_file(control, arguments.uri))
    return {}


async def migrate_cancel(control: Control, _arguments: Nothing) -> Json:
    """Have the guest stay, if there is still time."""
    control.migration.cancel()
    return {}


async def query_migrate(control: Control, _arguments: Nothing) -> Json:
    """Tell how far the migration is, or how the last one went."""
    figures = control.migration.figures
    return {} if figures is None else figures.describe()


async def set_parameters_given(control: Control, arguments: SetParameters) -> Json:
    """Set parameters."""
    given = {name: value for name, value in asdict(arguments).items() if value is not None}
    set_parameters(control.migration.parameters, given)
    return {}


async def query_parameters(control: Control, _arguments: Nothing) -> Json:
    """Tell the parameters."""
    return {
        name.replace("_", "-"): value
        for name, value in asdict(control.migration.parameters).items()
    }


async def set_capabilities(control: Control, arguments: SetCapabilities) -> Json:
    """Switch capabilities."""
    for given in arguments.capabilities:
        match given:
            case {"capability": str(name), "state": bool(state), **rest} if not rest:
                set_capability(control.migration.capabilities, name, state=state)
            case _:
                raise BadArgument(
                    "the argument 'capabilities' must be a list of"
                    ' {"capability": NAME, "state": true or false}'
                )
    return {}


async def query_capabilities(control: Control, _arguments: Nothing) -> Json:
    """Tell the capabilities."""
    return [
        {"capability": name.replace("_", "-"), "state": state}
        for name, state in asdict(control.migration.capabilities).items()
    ]


def _with_file(control: Control, uri: str) -> str:
    """Return a URI in which a file that came by ``getfd`` has its number."""
    kind, _, name = uri.partition(":")
    if kind == "fd" and not name.isdecimal():
        return f"fd:{control.files.take(name)}"
    return uri


MIGRATION: Final = (
    command("migrate", Migrate, migrate),
    command("migrate-incoming", MigrateIncoming, migrate_incoming),
    command("migrate_cancel", Nothing, migrate_cancel),
    command("query-migrate", Nothing, query_migrate, oob=True),
    command("migrate-set-parameters", SetParameters, set_parameters_given),
    command("query-migrate-parameters", Nothing, query_parameters, oob=True),
    command("migrate-set-capabilities", SetCapabilities, set_capabilities),
    command("query-migrate-capabilities", Nothing, query_capabilities, oob=True),
)
