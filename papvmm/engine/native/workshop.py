"""What the native engine asks of the machine it runs in: compiling elsewhere, and keeping code.

What these deliver, and when, changes how fast a guest runs, never what it computes.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol


class Job(NamedTuple):
    """Something to compile: of which kind, what to keep it as, what is needed to know.

    What has no name is not kept.
    """

    kind: str
    name: str
    request: bytes


class Finished(NamedTuple):
    """A job, and what came of it: None if it failed."""

    job: Job
    content: bytes | None


class Compiler(Protocol):
    """Does jobs, in the order they come in, while the guest runs; the store keeps the results."""

    def submit(self, job: Job) -> None:
        """Take a job on."""
        ...

    def finished(self) -> Sequence[Finished]:
        """Return the jobs finished since the last call."""
        ...


class CodeStore(Protocol):
    """Has code from earlier runs, for this engine on this host."""

    def load(self, name: str) -> Sequence[bytes]:
        """Return what was kept under a name, whole and unchanged: the latest last."""
        ...


class Workshop(NamedTuple):
    """Where native code comes from."""

    compiler: Compiler
    store: CodeStore


INTERPRETER: Final = Job("interpreter", "interpreter", b"")
STARTER: Final = "starter"
"""The kind of jobs for an interpreter of only what some code needs, which is soon there."""
