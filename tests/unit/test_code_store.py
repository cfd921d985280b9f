"""The cache of native code on disk: whole, unchanged and for here, or ignored."""

import os
from threading import Event, Thread

import pytest

from papvmm.machine.code_store import WRITING, DiskStore, cache_directory, kept_files


def store(directory, engine="engine", most_bytes=1 << 20):
    return DiskStore(str(directory / "cache"), lambda: engine, most_bytes)


def only_file(directory):
    (file,) = (directory / "cache").iterdir()
    return file


def test_what_was_added_is_there_in_its_order(tmp_path):
    store(tmp_path).add("name", b"one")
    store(tmp_path).add("name", b"")
    store(tmp_path).add("name", b"three")

    assert store(tmp_path).load("name") == [b"one", b"", b"three"]
    assert store(tmp_path).load("other") == []


def test_another_engine_finds_nothing(tmp_path):
    store(tmp_path).add("name", b"code")

    assert store(tmp_path, "another").load("name") == []


@pytest.mark.parametrize("at", [0, 31, 32, 40, 45])
def test_a_file_with_a_changed_byte_is_ignored_and_made_anew(tmp_path, at):
    store(tmp_path).add("name", b"code")
    content = bytearray(only_file(tmp_path).read_bytes() + b"more")
    content[at] ^= 1
    only_file(tmp_path).write_bytes(content)

    assert store(tmp_path).load("name") == []
    store(tmp_path).add("name", b"new")
    assert store(tmp_path).load("name") == [b"new"]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 43])
def test_a_file_that_was_cut_off_is_ignored(tmp_path, length):
    store(tmp_path).add("name", b"code")
    only_file(tmp_path).write_bytes(only_file(tmp_path).read_bytes()[:length])

    assert store(tmp_path).load("name") == []


def test_a_directory_that_others_can_write_is_not_trusted(tmp_path):
    store(tmp_path).add("name", b"code")
    (tmp_path / "cache").chmod(0o777)

    assert store(tmp_path).load("name") == []


def test_a_file_that_others_can_write_is_not_trusted(tmp_path):
    store(tmp_path).add("name", b"code")
    only_file(tmp_path).chmod(0o622)

    assert store(tmp_path).load("name") == []


def a_symbolic_link(path):
    path.rename(path.parent / "elsewhere")
    path.symlink_to(path.parent / "elsewhere")


def a_directory(path):
    path.unlink()
    path.mkdir()


def a_pipe(path):
    """Reading it would wait for a writer."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("instead", [a_symbolic_link, a_directory, a_pipe])
def test_what_is_no_file_is_ignored(tmp_path, instead):
    store(tmp_path).add("name", b"code")
    instead(only_file(tmp_path))

    assert store(tmp_path).load("name") == []
    store(tmp_path).add("name", b"new")
    assert store(tmp_path).load("name") in ([], [b"new"])


def test_the_directory_is_for_its_owner_only(tmp_path):
    store(tmp_path).add("name", b"code")

    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_the_oldest_files_go_when_there_are_too_many_bytes(tmp_path):
    for number in range(10):
        store(tmp_path, most_bytes=500).add(f"name{number}", bytes(100))

    names = [name for name in range(10) if store(tmp_path).load(f"name{name}")]
    assert 1 <= len(names) <= 3
    assert 9 in names


def test_what_is_used_stays_when_the_oldest_go(tmp_path):
    small = store(tmp_path, most_bytes=500)
    for number in range(10):
        small.add(f"name{number}", bytes(100))
        assert small.load("name0") == [bytes(100)]


def age(path, seconds):
    time = path.stat().st_mtime - seconds
    os.utime(path, (time, time))


def test_what_a_killed_writer_left_goes_in_time(tmp_path):
    store(tmp_path).add("name", b"code")
    abandoned, recent = (tmp_path / "cache" / f".new-{name}" for name in ("a", "b"))
    abandoned.write_bytes(b"half")
    recent.write_bytes(b"half")
    age(abandoned, WRITING + 1)

    store(tmp_path).add("other", b"code")

    assert recent.exists()
    assert not abandoned.exists()


def test_files_of_others_are_left_alone(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    (cache / "notes.txt").write_text("mine")
    (cache / "engine-name.code").mkdir()
    age(cache / "notes.txt", 1 << 30)

    store(tmp_path, most_bytes=1).add("name", b"code")

    assert {path.name for path in cache.iterdir()} == {"notes.txt", "engine-name.code"}


def test_what_is_kept_is_listed_with_what_it_is_for(tmp_path):
    store(tmp_path, "one").add("interpreter", b"code")
    age(only_file(tmp_path), 100)
    store(tmp_path, "two").add("region-00ff", b"code")
    (tmp_path / "cache" / "notes.txt").write_text("mine")

    listed = [(file.engine, file.kind, file.name) for file in kept_files(str(tmp_path / "cache"))]

    assert listed == [("two", "region", "region-00ff"), ("one", "interpreter", "interpreter")]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "cache").write_text("a file")

    store(tmp_path).add("name", b"code")

    assert store(tmp_path).load("name") == []


def test_the_cache_is_where_the_xdg_specification_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_directory() == str(tmp_path / "papvmm")


def test_a_relative_cache_directory_is_ignored_as_the_specification_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache_directory() == str(tmp_path / ".cache" / "papvmm")


def test_who_is_alone_keeps_others_waiting(tmp_path):
    began, order = Event(), []

    def other() -> None:
        began.set()
        with DiskStore(str(tmp_path), lambda: "engine").alone():
            order.append("other")

    thread = Thread(target=other)
    with DiskStore(str(tmp_path), lambda: "engine").alone():
        thread.start()
        began.wait()
        thread.join(0.05)
        order.append("first")
    thread.join()

    assert order == ["first", "other"]


def test_where_there_is_no_place_nobody_waits(tmp_path):
    (tmp_path / "file").touch()

    with DiskStore(str(tmp_path / "file" / "cache"), lambda: "engine").alone():
        pass

    assert not (tmp_path / "file" / "cache").exists()
