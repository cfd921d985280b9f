"""Fixtures that several rooms' tests share."""

import pytest

from tests import programs
from tests.programs import HOT, NATIVE, REGIONS


@pytest.fixture(scope="module", params=[HOT, NATIVE, REGIONS], ids=["python", "native", "regions"])
def every_engine(request):
    """Programs that say nothing else run on each engine in turn."""
    programs.default_heat = request.param
    yield
    programs.default_heat = HOT
