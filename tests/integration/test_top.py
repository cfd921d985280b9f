"""``papvmm top`` at a running guest: in a pipe, on a full screen, and what it costs the guest."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager

import pytest

from papvmm.cli import top
from papvmm.cli.main import dispatch
from papvmm.cli.top_app import TopApp
from papvmm.control.qmp.client import QmpClient
from papvmm.control.qmp.commands.top import MOST
from papvmm.control.top.collect import collect
from papvmm.control.top.sample import Sample
from papvmm.control.top.wire import from_json
from papvmm.machine.config import AreasOnReset
from papvmm.machine.machine import Machine
from papvmm.papr.hcall import Hcall
from tests.guest_programs import FOREVER, guest_running, hcall
from tests.qmp import controlled
from tests.shell import IMAGES, running

QUERY = "x-papvmm-query-top"
VPA = 0x8000
DTL = 0x9000
LOG_ENTRIES = 2
PATIENCE = 120


def guest_with_areas():
    """Return a guest that has a VPA and a log of two entries, and adds up for ever."""
    text = (
        f"li 4,1; sldi 4,4,45; li 5,0; lis 6,0; ori 6,6,{VPA}; li 3,{Hcall.H_REGISTER_VPA}; sc 1;"
        f"li 4,1; sldi 4,4,46; li 5,0; lis 6,0; ori 6,6,{DTL}; li 3,{Hcall.H_REGISTER_VPA}; sc 1;"
        f"{hcall(Hcall.H_PROD)}; {FOREVER}"
    )
    guest = guest_running(text, slice_counts=1000, areas_on_reset=AreasOnReset.KEEP)
    guest.memory.store_be(VPA + 4, 2, 640)
    guest.memory.store_be(DTL + 4, 4, 48 * LOG_ENTRIES)
    return guest


async def test_a_sample_tells_the_areas_the_log_and_the_stores(tmp_path):
    guest = guest_with_areas()
    async with controlled(guest, tmp_path / "qmp") as (machine, qmp):
        machine.resume(limit=5500)
        await machine.rest()
        sample = from_json(Sample, await qmp.execute(QUERY, {"writes": 3}))

    (vcpu,) = sample.vcpus
    log = guest.vcpus[0].areas
    assert (sample.status, sample.icount, sample.resets) == ("paused", 5500, 0)
    assert (vcpu.areas["VPA"].gpa, vcpu.areas["DTL"].length) == (VPA, 96)
    assert "SLB_SHADOW" not in vcpu.areas
    assert (vcpu.run, vcpu.instructions, vcpu.log_index) == (5500, 5500, log.dtl_index)
    assert vcpu.hypercalls == {"H_REGISTER_VPA": 2, "H_PROD": 1}
    assert [entry.number for entry in sample.log] == [log.dtl_index - 2, log.dtl_index - 1]
    assert sample.log[1].timebase - sample.log[0].timebase == 512
    assert sample.writes == tuple(guest.door.writes[-3:])


async def test_a_sample_names_stores_into_a_kernel_that_is_gone(tmp_path):
    guest = guest_with_areas()
    async with controlled(guest, tmp_path / "qmp") as (machine, qmp):
        machine.resume(limit=5000)
        await machine.rest()
        await qmp.execute("system_reset")
        machine.resume(limit=1)
        await machine.rest()
        sample = from_json(Sample, await qmp.execute(QUERY))

    assert sample.resets == 1
    assert sample.vcpus[0].stale_writes == {"VPA": 3, "DTL": 1}
    assert sample.latest_stale == sample.writes[-1]


async def test_more_than_an_answer_should_hold_is_refused(tmp_path):
    async with controlled(guest_running(FOREVER), tmp_path / "qmp") as (_, qmp):
        with pytest.raises(Exception, match=f"at most {MOST}"):
            await qmp.execute(QUERY, {"log": MOST + 1})


async def test_looking_is_no_guest_exit():
    guest = guest_with_areas()
    async with Machine(guest) as machine:
        machine.resume(limit=5500)
        await machine.rest()
        inside, stores = guest.inside, guest.door.count

        collect(machine, "", 2, 2)

    assert inside is guest.vcpus[0]
    assert guest.door.count == stores


@contextmanager
def watched(path):
    """Run a guest of two vcpus that works for ever; its control socket is at ``path``."""
    process = running(
        IMAGES / "hibernate.elf", "-m", 8, "-smp", 2, "-append", "rounds=0",
        "-qmp", f"unix:{path},server=on,wait=off", "--timeout", 60,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_screen_goes_into_a_pipe(tmp_path, capsys):
    with watched(tmp_path / "qmp"):
        code = dispatch(["top", str(tmp_path / "qmp"), "--once", "--interval", "0.1"])

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("hibernate.elf  RUNNING  0 resets")
    assert "H_CEDE" in out
    assert "hypervisor writes, newest of" in out


def test_without_textual_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(top, "find_spec", lambda name: None)

    code = dispatch(["top", str(tmp_path / "qmp")])

    assert code == 2
    assert "pip install 'papvmm[tui]'" in capsys.readouterr().err


def test_the_command_alone_does_not_import_textual():
    code = "import papvmm.cli.top, sys; sys.exit('textual' in sys.modules)"

    assert subprocess.run((sys.executable, "-c", code), check=False).returncode == 0


async def screen_of(app, pilot):
    await pilot.pause()
    return str(app.query_one("#screen").content)


@pytest.mark.slow
async def test_the_full_screen_and_its_keys(tmp_path):
    with watched(tmp_path / "qmp") as process, QmpClient(str(tmp_path / "qmp")) as qmp:
        app = TopApp(qmp, 0.05)
        async with asyncio.timeout(PATIENCE), app.run_test(size=(80, 24)) as pilot:
            while "RUNNING" not in (whole := await screen_of(app, pilot)):
                pass
            await pilot.press("space")
            while "PAUSED" not in await screen_of(app, pilot):
                pass
            await pilot.press("d", "w")
            without = await screen_of(app, pilot)
            await pilot.press("r")
            while "1 reset" not in await screen_of(app, pilot):
                pass
            await pilot.press("space")
            while "RUNNING" not in await screen_of(app, pilot):
                pass
            process.kill()
            while app.is_running:
                await pilot.pause()

    assert len(whole.splitlines()) <= 23
    assert "dispatch trace log" in whole
    assert "hypervisor writes" in whole
    assert "hypercalls/s" in without
    assert "dispatch trace log" not in without
    assert "hypervisor writes" not in without
    assert "the guest is gone" in app.return_value
