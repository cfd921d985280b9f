"""Fixtures that several rooms' tests share."""

import pytest

from tests import programs
from tests.programs import HOT, NATIVE


@pytest.fixture(scope="module", params=[HOT, NATIVE], ids=["python", "native"])
def every_engine(request):
    """Programs that say nothing else run on each engine in turn."""
    programs.default_heat = request.param
    yield
    programs.default_heat = HOT
