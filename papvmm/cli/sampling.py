"""Asking a running guest for a sample."""

from typing import Final

from papvmm.control.qmp.client import QmpClient
from papvmm.control.qmp.commands.top import MOST
from papvmm.control.top.sample import Sample
from papvmm.control.top.wire import from_json

QUERY: Final = "x-papvmm-query-top"


def look(qmp: QmpClient, lines: int) -> Sample:
    """Return what the guest is now, with as many log entries and stores as are to be shown."""
    most = min(lines, MOST)
    return from_json(Sample, qmp.execute(QUERY, log=most, writes=most))
