"""Starting the native engine: with a cache, without one, and where there is no LLVM."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree, ignore_patterns

from papvmm.engine.native.workshop import INTERPRETER, Job
from papvmm.machine.code_store import cache_directory
from papvmm.machine.compiler import CompilerProcess, Worker, start_early
from tests.guests.images import image

ROOT = Path(__file__).parents[2]
WITHOUT_LLVM = "raise ImportError('there is no llvmlite here')\n"


def run(cache, *, pythonpath="", units=20, directory=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "papvmm", "run", image("bench-be"), "-append", f"sieve n={units}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        cwd=directory,
        env={"XDG_CACHE_HOME": str(cache), "PYTHONPATH": f"{pythonpath}:{ROOT}"},
    )


def test_a_damaged_cache_is_ignored(tmp_path):
    (tmp_path / "papvmm").mkdir(mode=0o700)
    for file in Path(cache_directory()).iterdir():
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        (tmp_path / "papvmm" / file.name).write_bytes(damaged)

    sound, spoilt = run(Path(cache_directory()).parent), run(tmp_path)

    assert spoilt.returncode == sound.returncode == 0
    assert spoilt.stdout.replace("ticks", "") == sound.stdout.replace("ticks", "")


def test_without_llvm_the_python_engine_runs_the_guest_and_one_line_says_so(tmp_path):
    unlike = ignore_patterns("interpreter.code", "__pycache__")  # as in a checkout, none is there
    copytree(ROOT / "papvmm", tmp_path / "papvmm", ignore=unlike)
    (tmp_path / "llvmlite.py").write_text(WITHOUT_LLVM)

    result = run(tmp_path / "cache", pythonpath=str(tmp_path), units=80, directory=tmp_path)

    assert result.returncode == 0
    assert "sieve: done" in result.stdout
    assert result.stderr.count("\n") <= 2
    assert "there is no llvmlite here" in result.stderr


def test_a_job_that_fails_is_told_and_nothing_else_is_expected():
    told = []
    compiler = CompilerProcess(told.append, waits=True)
    jobs = [Job("nonsense", "a", b""), Job("nonsense", "b", b"")]

    for job in jobs:
        compiler.submit(job)

    assert [(done.job, done.content) for done in compiler.finished()] == [(j, None) for j in jobs]
    assert len(told) == 1
    assert "there is no job 'nonsense'" in told[0]


def finished(worker):
    """Wait for all that a worker has to do."""
    done, until = [], time.monotonic() + 300
    while worker.pending:
        assert time.monotonic() < until
        done += worker.finished()
    return done


def test_a_crash_at_one_job_costs_that_one():
    worker = Worker()
    worker.submit(INTERPRETER)
    (first,) = finished(worker)
    os.kill(worker._process.pid, signal.SIGSTOP)
    for job in (Job("crash", "", b""), INTERPRETER):
        worker.submit(job)
    os.kill(worker._process.pid, signal.SIGKILL)

    crashed, second = finished(worker)

    assert (crashed.job.kind, crashed.content) == ("crash", None)
    assert second.content == first.content != b""
    assert not worker.why_lost


def test_a_compiler_that_ends_before_it_has_done_anything_is_given_up():
    worker = Worker()
    worker.submit(INTERPRETER)
    os.kill(worker._process.pid, signal.SIGKILL)

    assert [done.content for done in finished(worker)] == [None]
    assert worker.why_lost == "its process ended"


def test_a_compiler_does_what_it_is_asked():
    compiler = CompilerProcess(None, waits=True)

    compiler.submit(INTERPRETER)

    (done,) = compiler.finished()
    assert done.content is not None
    assert len(done.content) > 100_000


def test_a_compiler_started_early_serves_the_next_guest():
    start_early()
    compiler = CompilerProcess(None, waits=True)

    compiler.submit(Job("nonsense", "a", b""))

    assert [done.content for done in compiler.finished()] == [None]


def test_a_compiler_started_early_ends_if_no_guest_has_a_use_for_it():
    start_early()
    compiler = CompilerProcess(None)
    pid = compiler._prompt._process.pid

    del compiler

    ended, _ = os.waitpid(pid, 0)
    assert ended == pid


def test_jobs_beyond_what_pipes_take_keep_nobody_waiting():
    """Neither side reads before it has written all, if it is left to that."""
    compiler = CompilerProcess(None)
    jobs = [Job("nonsense", str(number), bytes(50_000)) for number in range(20)]

    for job in jobs:
        compiler.submit(job)
    done = []
    until = time.monotonic() + 300
    while len(done) < len(jobs):
        assert time.monotonic() < until
        done += compiler.finished()

    assert [finished.job for finished in done] == jobs


def test_one_process_makes_the_interpreter_once_at_a_time():
    first, second = CompilerProcess(None), CompilerProcess(None)

    first.submit(INTERPRETER)
    second.submit(INTERPRETER)

    assert first._whole is not None
    assert second._whole is None
