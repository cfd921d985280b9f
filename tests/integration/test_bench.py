"""``papvmm bench`` at a scale that takes no time, without QEMU."""

import json
import os
import sys
from pathlib import Path

import pytest

from papvmm.cli import bench_run
from papvmm.cli.bench import SCALES, disagreement, units_of
from papvmm.cli.bench_run import Failed, run_timed
from papvmm.cli.main import dispatch
from papvmm.observe.bench.catalogue import CATALOGUE
from tests.bench_samples import sample
from tests.shell import IMAGES, PAPVMM

FIRST = "import time; print('fake: start', flush=True); time.sleep(0.1)"
LAST = r"print('fake: checksum 0123456789abcdef\nfake: 512 ticks\nfake: done', flush=True)"


def fake_guest(*lines: str) -> tuple[str, ...]:
    """A program that prints what a benchmark does."""
    return (sys.executable, "-c", "\n".join(lines))


@pytest.fixture
def tiny(monkeypatch):
    """One unit of work, and no QEMU to be found."""
    monkeypatch.setitem(SCALES, "small", 1)
    monkeypatch.setenv("PATH", "")


def test_papvmm_is_measured_alone_where_there_is_no_qemu(tiny, capsys):
    code = dispatch(["bench", "fib", "-n", "2", "--accel", "python", "--scale", "small"])

    shown, said = capsys.readouterr()
    assert code == 0
    assert said.splitlines()[0].startswith("papvmm: qemu-system-ppc64 is not installed")
    assert shown.startswith("papvmm -accel python, scale small, medians of 2 runs\n")
    assert "QEMU" not in shown
    assert shown.splitlines()[-1].split()[:2] == ["fib", "0.1"]


def test_the_json_has_every_run(tiny, capsys, tmp_path):
    out = tmp_path / "figures"

    code = dispatch(
        ["bench", "fib-le", "-n", "2", "--json", "--accel", "python", "--out", str(out)]
    )

    shown = json.loads(capsys.readouterr().out)
    runs = shown["benchmarks"]["fib-le"]["papvmm"]
    assert code == 0
    assert shown["qemu"] is None
    assert len(runs) == 2
    assert all(0 < run["guest"] < run["wall"] for run in runs)
    assert {run["checksum"] for run in runs} == {"fff4a85b2871311e"}
    assert shown == json.loads((out / "bench.json").read_text())
    assert not (out / "bench.svg").exists()


def test_an_unknown_benchmark_is_a_users_mistake(capsys):
    code = dispatch(["bench", "fob"])

    assert code == 2
    assert "there is no benchmark 'fob'" in capsys.readouterr().err


def test_no_runs_at_all_are_a_users_mistake(capsys):
    code = dispatch(["bench", "-n", "0"])

    assert code == 2
    assert "-n 0: a median needs at least 1 run" in capsys.readouterr().err


def test_the_list_is_of_names_that_can_be_asked_for(capsys):
    code = dispatch(["bench", "--list"])

    assert code == 0
    assert {"fib", "fib-le"} <= set(capsys.readouterr().out.split())


def test_a_guest_that_crashes_is_no_result():
    command = (*PAPVMM, "run", IMAGES / "oops.elf", "--hv", "kvm-3.6")

    with pytest.raises(Failed, match=r"exit code 33: papvmm: the host crashed"):
        run_timed(command)


def test_a_guest_that_prints_something_else_is_no_result():
    command = (*PAPVMM, "run", IMAGES / "hello-be.elf")

    with pytest.raises(Failed, match="exit code 0: not what a benchmark prints"):
        run_timed(command)


def test_different_checksums_are_no_result():
    runs = {"papvmm": [sample(checksum="aa")], "QEMU": [sample(checksum="bb")]}

    assert disagreement(runs) == "checksums differ: papvmm aa, QEMU bb"


def test_a_guests_time_is_that_between_its_first_and_its_last_line():
    nap = "import time; time.sleep(0.1)"

    run = run_timed(fake_guest(nap, nap, FIRST, LAST, nap))

    assert 0.1 <= run.guest <= run.wall - 0.3
    assert (run.checksum, run.ticks) == ("0123456789abcdef", 512)


def test_what_a_run_leaves_behind_is_over_before_the_next_one(tmp_path):
    pid = tmp_path / "pid"
    leave = (
        "from subprocess import DEVNULL, Popen",
        "child = Popen(['sleep', '0.3'], stdout=DEVNULL)",
        f"open({str(pid)!r}, 'w').write(str(child.pid))",
    )

    run_timed(fake_guest(FIRST, *leave, LAST))

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_guest_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(bench_run, "LONGEST", 0.2)

    with pytest.raises(Failed, match=r"not done after 0\.2 s"):
        run_timed(fake_guest(FIRST, "import time; time.sleep(60)"))


def test_a_cold_run_has_an_empty_cache_to_itself(tmp_path):
    seen = tmp_path / "seen"
    look = f"import os; open({str(seen)!r}, 'w').write(os.environ['XDG_CACHE_HOME'])"

    run_timed(fake_guest(FIRST, look, LAST), cold=True)

    assert seen.read_text() != os.environ.get("XDG_CACHE_HOME", "")
    assert not Path(seen.read_text()).exists()


@pytest.mark.parametrize(("name", "units"), [("fib", 10_000), ("scrfid", 1000)])
def test_a_long_run_is_of_more_instructions_and_not_of_more_events(name, units):
    assert units_of(CATALOGUE[name], "1G") == units
