"""``papvmm cache``: what is kept between runs, and removing it."""

import json
import os
from pathlib import Path

import pytest

from papvmm.cli.cache import size
from papvmm.cli.main import dispatch
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.engine_version import engine_version


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with a file of this version and one of another, and a file that is not its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    directory = Path(cache_directory())
    DiskStore(str(directory), engine_version).add("interpreter", bytes(2000))
    DiskStore(str(directory), lambda: "other").add("region-00ff", bytes(100))
    (directory / "notes.txt").write_text("mine")
    return directory


@pytest.fixture
def run(capsys):
    """Run a command in this process; return its exit code, and what it writes."""

    def command(*args):
        code = dispatch(["cache", *args])
        return code, *capsys.readouterr()

    return command


def test_what_is_kept_is_listed(cache, run):
    code, out, err = run("ls")

    current, stale, total = sorted(out.splitlines())[1:] + sorted(out.splitlines())[:1]
    assert (code, err) == (0, "")
    assert current.split() == ["interpreter", "2.0", "KiB", "0", "s", "ago"]
    assert stale.split() == ["region-00ff", "140", "bytes", "0", "s", "ago", "stale"]
    assert total == f"2 files, 2.1 KiB in {cache}"


def test_what_is_kept_is_listed_for_programs(cache, run):
    code, out, _ = run("ls", "--json")

    listed = json.loads(out)
    assert code == 0
    assert (listed["directory"], listed["engine"]) == (str(cache), engine_version())
    assert listed["bytes"] == sum(file["bytes"] for file in listed["files"]) == 2180
    assert {(file["kind"], file["name"], file["stale"]) for file in listed["files"]} == {
        ("interpreter", "interpreter", False),
        ("region", "region-00ff", True),
    }


def test_all_of_it_is_removed_and_nothing_else(cache, run):
    (cache / ".new-abandoned").write_bytes(bytes(10))

    assert run("clear") == (0, f"removed 3 files, 2.1 KiB from {cache}\n", "")
    assert [path.name for path in cache.iterdir()] == ["notes.txt"]
    assert run("clear") == (0, f"removed 0 files, 0 bytes from {cache}\n", "")


def test_only_what_other_versions_left_is_removed(cache, run):
    assert run("clear", "--stale") == (0, f"removed 1 file, 140 bytes from {cache}\n", "")
    assert DiskStore(str(cache), engine_version).load("interpreter") == [bytes(2000)]


@pytest.mark.parametrize("verb", ["ls", "clear"])
def test_where_others_write_nothing_is_looked_at(cache, run, verb):
    cache.chmod(0o775)

    code, out, err = run(verb)

    assert (code, out) == (65, "")
    assert err.count("\n") == 1
    assert f"run chmod go-w {cache}" in err
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("verb", ["ls", "clear"])
def test_a_file_in_its_place_is_told(tmp_path, monkeypatch, run, verb):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "papvmm").write_text("a file")

    assert run(verb) == (65, "", f"papvmm: {tmp_path / 'papvmm'}: Not a directory\n")


def test_without_a_directory_there_is_nothing(tmp_path, monkeypatch, run):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert run("ls") == (0, f"0 files, 0 bytes in {tmp_path / 'papvmm'}\n", "")
    assert not (tmp_path / "papvmm").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_what_the_host_refuses_is_told(cache, run):
    cache.chmod(0o500)

    code, out, err = run("clear")

    cache.chmod(0o700)
    assert (code, out) == (65, "")
    assert "can't be removed: Permission denied" in err


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB")],
)
def test_sizes_are_told_in_units_of_1024(count, text):
    assert size(count) == text


def test_a_warm_cache_needs_no_warming(cache, run):
    before = (cache / "notes.txt").stat(), sorted(cache.iterdir())

    assert run("warm") == (0, "", "")

    assert before == ((cache / "notes.txt").stat(), sorted(cache.iterdir()))


@pytest.mark.slow
def test_warming_puts_the_interpreter_into_the_cache(tmp_path, monkeypatch, run):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert run("warm") == (0, "", "")

    (interpreter,) = DiskStore(cache_directory(), engine_version).load("interpreter")
    assert len(interpreter) > 100_000
