"""How a command of the human monitor is described, and what it acts on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from papvmm.control.control import Control
from papvmm.errors import PapvmmError
from papvmm.vcpu.vcpu import Vcpu


class Refusal(PapvmmError):
    """A command can't be carried out; the text is what the monitor prints."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command line at work: the machine, the vcpu it is about, and the words after the name."""

    control: Control
    vcpu: Vcpu
    words: tuple[str, ...]

    def exactly(self, count: int) -> tuple[str, ...]:
        """Return the words if there are so many; Refusal otherwise."""
        if len(self.words) != count:
            raise Refusal(f"it takes {count} argument{'' if count == 1 else 's'}: see help")
        return self.words

    @property
    def rest(self) -> str:
        """All that comes after the name."""
        return " ".join(self.words)


Act: TypeAlias = Callable[[Call], Awaitable[str]]
"""Does it, and returns what to print, lines ended by newlines; PapvmmError says why not."""


@dataclass(frozen=True, slots=True)
class HmpCommand:
    """One command: ``names`` it goes by, and what help says of its arguments and of it."""

    names: tuple[str, ...]
    arguments: str
    help: str
    act: Act

    @property
    def usage(self) -> str:
        """The line of help."""
        return f"{'|'.join(self.names)} {self.arguments} -- {self.help}"
