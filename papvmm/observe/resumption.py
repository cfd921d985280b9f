"""Did the areas come along when a guest was saved and restored? Again there are two witnesses.

The guest says how many of its vcpus noticed that their areas were registered anew; the record
tells for which vcpus the hypervisor has stored into areas since.
"""

import re
from dataclasses import dataclass
from typing import Final

from papvmm.observe.record import RunRecord

_TOLD: Final = re.compile(r": (?P<resumed>\d+) of (?P<cpus>\d+) cpus were resumed")


@dataclass(frozen=True, slots=True)
class Resumption:
    """Of ``vcpus`` vcpus ``told`` noticed that they were resumed; ``seen`` have areas in use."""

    vcpus: int
    told: int
    seen: int

    @property
    def lost(self) -> bool:
        """Tell whether a vcpu's areas were left behind, by either witness."""
        return min(self.told, self.seen) < self.vcpus

    @property
    def agreed(self) -> bool:
        """Tell whether the guest noticed what the record shows."""
        return self.told == self.seen


def resumption_in(record: RunRecord) -> Resumption | None:
    """Judge a recorded run; None if its guest does not speak of that."""
    for line in record.console:
        match = _TOLD.search(line.text)
        if match:
            used = {spot.first.vcpu_id for spot in record.spots if not spot.foreign}
            return Resumption(int(match["cpus"]), int(match["resumed"]), len(used))
    return None
