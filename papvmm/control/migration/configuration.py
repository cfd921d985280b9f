"""What a stream begins with: which machine it is, and the images that a later reset loads."""

import json
from collections.abc import Iterator
from typing import Final

from papvmm import __version__
from papvmm.control.migration.stream import Kind, Record
from papvmm.control.snapshot.configuration import configuration, describe, images
from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import NotJson, Object, only_object
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.config import MIB, MachineConfig

PIECE: Final = 1 << 20
MOST_BYTES: Final = 1 << 32
"""Of an image."""


def announce(config: MachineConfig) -> Iterator[Record]:
    """Return the records that tell of a machine."""
    carried = images(config)
    sizes: Object = {name: len(data) for name, data in carried.items()}
    about: Object = {"papvmm": __version__, "machine": describe(config), "images": sizes}
    yield Record(Kind.CONFIGURATION, 0, json.dumps(about).encode())
    for index, data in enumerate(carried.values()):
        for at in range(0, len(data), PIECE):
            yield Record(Kind.IMAGE, index, data[at : at + PIECE])


class Announced:
    """Takes these records in: first the configuration, then images."""

    def __init__(self, record: Record) -> None:
        if record.kind is not Kind.CONFIGURATION:
            raise BadInput("the stream does not begin with a configuration")
        about = Members(parsed("configuration", record.payload), "configuration")
        about.text("papvmm")
        self._machine: Final = about.member("machine")
        sizes = about.member("images")
        self._sizes: Final = {name: sizes.number(name, MOST_BYTES) for name in sizes.names()}
        about.done()
        self._images: Final[list[bytearray]] = [bytearray() for _ in self._sizes]

    def take(self, record: Record) -> None:
        """Take a piece of an image."""
        if record.number >= len(self._images):
            raise BadInput("the stream has an image that its configuration has not")
        self._images[record.number] += record.payload

    def config(self, here: MachineConfig) -> MachineConfig:
        """Return the machine that was announced; BadInput if it is none, or not like this one."""
        files = {}
        for (name, size), data in zip(self._sizes.items(), self._images, strict=True):
            if len(data) != size:
                raise BadInput(f"the stream has {len(data)} bytes of {name} instead of {size}")
            files[name] = bytes(data)
        try:
            coming = configuration(self._machine, files, here.accel)
        except BadUsage as error:
            raise BadInput(str(error)) from None
        for what, option, mine, other in (
            ("MiB of RAM", "-m", here.memory_size / MIB, coming.memory_size / MIB),
            ("vcpus", "-smp", here.vcpus, coming.vcpus),
            ("as its processor", "-cpu", here.cpu, coming.cpu),
            ("as its hypervisor", "--hv", here.hv, coming.hv),
            ("bytes in a host page", "--hv-page", here.hv_page, coming.hv_page),
        ):
            if mine != other:
                shown = f"{other:g}" if isinstance(other, float) else other
                had = f"{mine:g}" if isinstance(mine, float) else mine
                raise BadInput(
                    f"the guest that comes has {shown} {what}, this machine {had}:"
                    f" start it with {option} {shown}"
                )
        return coming


def parsed(what: str, text: bytes) -> Object:
    """Return the object that a text in JSON is; BadInput if it is none."""
    try:
        return only_object(text)
    except NotJson as error:
        raise BadInput(f"the {what} that comes is damaged: {error}") from None
