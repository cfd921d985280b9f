"""The monitor's commands about migrations."""

from collections.abc import Iterator
from typing import Final

from papvmm.control.hmp.command import Call, HmpCommand, Refusal
from papvmm.control.migration.figures import Figures, Status
from papvmm.control.strict_json import Object


async def migrate(call: Call) -> str:
    """Send the guest away, and wait for that unless ``-d`` says not to."""
    words = [word for word in call.words if word != "-d"]
    if not words:
        raise Refusal("it takes a URI: see help")
    migration = call.control.migration
    migration.send(call.control.machine, " ".join(words))
    if len(words) < len(call.words):
        return ""
    figures = await migration.over()
    return f"Error: {figures.error}\n" if figures.status is Status.FAILED else ""


async def migrate_cancel(call: Call) -> str:
    """Have the guest stay, if there is still time."""
    call.exactly(0)
    call.control.migration.cancel()
    return ""


async def info_migrate(call: Call) -> str:
    """Tell how far the migration is, or how the last one went."""
    figures = call.control.migration.figures
    return "" if figures is None else "".join(f"{line}\n" for line in _lines(figures))


def _lines(figures: Figures) -> Iterator[str]:
    info = figures.describe()
    yield f"Migration status: {info['status']}"
    if figures.error:
        yield f"error description: {figures.error}"
    for name, unit in (
        ("total-time", "milliseconds"), ("expected-downtime", "milliseconds"),
        ("downtime", "milliseconds"), ("setup-time", "milliseconds"),
        ("cpu-throttle-percentage", "percent"),
    ):  # fmt: skip
        if name in info:
            label = "setup" if name == "setup-time" else name.replace("-", " ")
            yield f"{label}: {info[name]} {unit}"
    yield from _ram(figures)


def _ram(figures: Figures) -> Iterator[str]:
    ram = figures.describe()["ram"]
    shown: Object = ram if isinstance(ram, dict) else {}
    for name, label in (
        ("transferred", "transferred ram"), ("remaining", "remaining ram"), ("total", "total ram"),
        ("normal-bytes", "normal bytes"),
    ):  # fmt: skip
        amount = shown[name]
        assert isinstance(amount, int)
        yield f"{label}: {amount >> 10} kbytes"
    for name, label in (
        ("duplicate", "duplicate"), ("normal", "normal"), ("dirty-sync-count", "dirty sync count"),
        ("dirty-pages-rate", "dirty pages rate"),
    ):  # fmt: skip
        yield f"{label}: {shown[name]}{' pages' if 'sync' not in name else ''}"


MIGRATING: Final = (
    HmpCommand(
        ("migrate",), "[-d] uri", "migrate to URI (-d: do not wait for completion)", migrate
    ),
    HmpCommand(("migrate_cancel",), "", "cancel the current VM migration", migrate_cancel),
)
MIGRATION_INFO: Final = HmpCommand(("migrate",), "", "show migration status", info_migrate)
