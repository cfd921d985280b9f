"""A guest that spins in native code is interrupted for whoever asks, and stopped soon."""

import subprocess
import time

from papvmm.control.qmp.client import QmpClient
from tests.shell import IMAGES, PAPVMM

SPINNING = ("run", str(IMAGES / "bench-be.elf"), "-append", "fib n=1000000000", "-m", "32")
ENOUGH = 60.0
"""Seconds until the engine must be native, even where nothing is kept from earlier runs."""
READABLE = 0.050
ANSWERED = 0.010


def wait_for(path):
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def seconds(*acts):
    begin = time.perf_counter()
    for act in acts:
        act()
    return time.perf_counter() - begin


def median_soon(least, measure):
    """Measure until the median of eleven is short enough: compilers come to their end."""
    until = time.monotonic() + ENOUGH
    while sorted(measure() for _ in range(11))[5] > least:
        if time.monotonic() > until:
            return False
    return True


def test_a_guest_that_spins_is_stopped_and_its_state_read_in_time(tmp_path):
    path = tmp_path / "qmp"
    command = (*PAPVMM, *SPINNING, "-qmp", f"unix:{path},server=on,wait=off")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as guest:
        wait_for(path)
        with QmpClient(str(path)) as qmp:

            def stop():
                qmp.execute("cont")
                time.sleep(0.005)
                return seconds(
                    lambda: qmp.execute("stop"),
                    lambda: qmp.execute("x-papvmm-one-reg-get", vcpu=0, id="VPA_ADDR"),
                )

            def ask():
                time.sleep(0.005)
                return seconds(lambda: qmp.execute("query-status"))

            stopped_in_time = median_soon(READABLE, stop)
            qmp.execute("cont")
            answered_in_time = median_soon(ANSWERED, ask)
        guest.kill()

    assert stopped_in_time
    assert answered_in_time
