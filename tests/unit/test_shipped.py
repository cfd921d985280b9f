"""The interpreter that comes with papvmm: when it is used, and when it is not."""

import pytest

from papvmm.engine.native.workshop import INTERPRETER
from papvmm.machine.code_store import DiskStore
from papvmm.machine.shipped import PLACE, ShippedStore, is_able, ship

pytestmark = pytest.mark.skipif(not is_able(), reason="it is not for this processor")

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def package(tmp_path):
    package = tmp_path / "package"
    for name in ("engine", "isa", "memory", "mmu", "images"):
        (package / name).mkdir(parents=True)
    (package / "bits.py").write_text("BITS = 64\n")
    (package / "values.py").write_text("")
    (package / "isa" / "add.py").write_text("a + b\n")
    return package


@pytest.fixture
def cache(tmp_path):
    return DiskStore(str(tmp_path / "cache"), lambda: "0" * 24)


def test_the_first_run_has_the_shipped_interpreter(package, cache):
    ship(CONTENT, str(package))

    assert ShippedStore(cache, str(package)).load(INTERPRETER.name) == [CONTENT]


def test_the_shipped_interpreter_is_kept_for_later_runs(package, cache):
    ship(CONTENT, str(package))

    is_kept = ShippedStore(cache, str(package)).keep()

    assert is_kept
    assert cache.load(INTERPRETER.name) == [CONTENT]


def test_nothing_is_kept_where_nothing_was_shipped(package, cache):
    assert not ShippedStore(cache, str(package)).keep()
    assert cache.load(INTERPRETER.name) == []


def test_what_the_cache_has_is_kept(package, cache):
    ship(CONTENT, str(package))
    cache.add(INTERPRETER.name, b"made for this very host")

    is_kept = ShippedStore(cache, str(package)).keep()

    assert is_kept
    assert cache.load(INTERPRETER.name) == [b"made for this very host"]


def test_what_the_cache_has_comes_first(package, cache):
    ship(CONTENT, str(package))
    cache.add(INTERPRETER.name, b"made for this very host")

    found = ShippedStore(cache, str(package)).load(INTERPRETER.name)

    assert found == [b"made for this very host"]


@pytest.mark.parametrize("changed", ["bits.py", "isa/add.py", "engine/new.py"])
def test_an_interpreter_made_from_other_sources_is_not_used(package, cache, changed):
    ship(CONTENT, str(package))

    (package / changed).write_text("a - b\n")

    assert ShippedStore(cache, str(package)).load(INTERPRETER.name) == []


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_damaged_one_is_not_used(package, cache, at):
    ship(CONTENT, str(package))
    damaged = bytearray((package / PLACE).read_bytes())
    damaged[at] ^= 1
    (package / PLACE).write_bytes(damaged)

    assert ShippedStore(cache, str(package)).load(INTERPRETER.name) == []


def test_a_checkout_has_none(package, cache):
    assert ShippedStore(cache, str(package)).load(INTERPRETER.name) == []


def test_regions_do_not_come_with_papvmm(package, cache):
    ship(CONTENT, str(package))

    assert ShippedStore(cache, str(package)).load("region-0") == []
