"""``papvmm report``: what it says of any run, as HTML and as text."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache

import pytest

from papvmm.machine.builder import boot
from papvmm.machine.config import MachineConfig
from papvmm.observe.demonstrations import image, oops, reboot
from papvmm.observe.run import RunRecorder, registrations_in
from papvmm.observe.run_report import run_report
from papvmm.observe.run_text import run_text
from papvmm.observe.text import WIDTH
from papvmm.trace.events import HcallDone, Registration
from papvmm.vpa.layout import Area
from tests.shell import IMAGES, papvmm

WORD = 8
KERNELS = ("-m", 16, "-smp", 2, "--next-kernel", IMAGES / "kernel-b.elf", IMAGES / "kernel-a.elf")


@cache
def recorded(name):
    """A run, and the hypercalls another listener heard of."""
    config = {
        "keep": reboot().harmed.config,
        "unregister": reboot().cured.config,
        "oops": oops().harmed.config,
        "smp": MachineConfig(memory_size=16 << 20, vcpus=4, kernel=image("smp.elf")),
        "again": MachineConfig(memory_size=16 << 20, vcpus=2, kernel=image("kernel-a.elf")),
        "hello": MachineConfig(memory_size=16 << 20, kernel=image("hello-be.elf")),
    }[name]
    guest = boot(config)
    recorder = RunRecorder(guest)
    guest.console.output = recorder.print
    heard = []
    guest.door.tracer.subscribe(HcallDone, heard.append)
    outcome = guest.run(1_000_000)
    return recorder.finish(outcome), heard


EVERY = ("keep", "unregister", "oops", "smp", "again", "hello")


def run(name):
    return recorded(name)[0]


@pytest.mark.parametrize("name", EVERY)
def test_the_report_is_html_and_xml_at_once_and_loads_nothing(name):
    text = run_report(run(name))

    root = ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))

    assert root.tag == "html"
    assert not re.search(r"<script|<link|src=|href=|url\((?!#)|@import|https?:(?!//www\.w3)", text)


@pytest.mark.parametrize("name", EVERY)
def test_no_line_of_the_text_is_wider_than_80_columns(name):
    assert max(map(len, run_text(run(name)).splitlines())) <= WIDTH


def test_the_words_that_changed_are_those_that_differ_from_a_run_without_stale_stores():
    kept, clean = run("keep").result.record, run("unregister").result.record
    differ = {
        page + offset
        for page, data in kept.pages.items()
        for offset in range(0, len(data), WORD)
        if data[offset : offset + WORD] != clean.pages[page][offset : offset + WORD]
    }

    assert set(run("keep").result.corruption.gpas) == differ
    assert f"{len(differ):,} words of kernel-b.elf changed" in run_report(run("keep"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("keep", "✗ 2,080 stale stores"),
        ("unregister", "✓ no stale stores"),
        ("oops", "✗ the host crashed"),
        ("smp", "✓ no stale stores"),
    ],
)
def test_the_verdict_is_in_both_forms(name, verdict):
    assert verdict in run_report(run(name))
    assert verdict in run_text(run(name))


def test_areas_that_outlive_a_reset_are_told_from_those_that_were_unregistered():
    until = {name: {row.until for row in registrations_in(run(name).result)} for name in EVERY}
    handover = run("unregister").result.record.handover

    assert until["keep"] == {"the end, past the reset"}
    assert until["unregister"] == {f"unregistered by ONE_REG @{handover.icount:,}"}
    assert until["smp"] == {"the end"}
    assert run_text(run("keep")).split().count("past") == 6


def test_who_registered_an_area_is_named_by_its_door_its_vcpu_and_its_functions():
    rows = registrations_in(run("keep").result)

    assert {row.registration.area for row in rows} == {area.name for area in Area}
    assert all(isinstance(row.registration, Registration) for row in rows)
    assert {row.who.partition(":")[0] for row in rows} == {
        "H_REGISTER_VPA by vcpu0", "H_REGISTER_VPA by vcpu1",
    }  # fmt: skip
    assert "areas_register ← old_kernel" in run_report(run("keep"))


@pytest.mark.parametrize("name", EVERY)
def test_calls_are_counted_by_name_and_answer(name):
    told, heard = recorded(name)
    counted = {
        (call.name, call.answer): count
        for call, count in told.calls
        if not call.name.startswith("rtas ")
    }
    names = {0: "H_SUCCESS", -4: "H_PARAMETER", -16: "H_RESOURCE", -2: "H_FUNCTION"}

    assert counted == Counter((event.name, names[event.status]) for event in heard)


def test_a_run_without_areas_has_no_pictures_of_them():
    text = run_report(run("hello"))

    assert "0 areas registered, 0 resets, " in text
    assert "<svg" not in text
    assert "What the guest said" in text


def test_before_and_after_a_reset_there_is_a_page_map_each():
    assert re.findall('aria-label="page map: ([^"]*)"', run_report(run("keep"))) == [
        "kernel-a.elf, before the reset", "kernel-b.elf, at the end",
    ]  # fmt: skip
    assert re.findall('aria-label="page map: ([^"]*)"', run_report(run("smp"))) == ["areas in use"]


def test_a_kernel_that_reboots_into_itself_is_named_by_its_boots():
    told = run("again")

    assert told.kernels == "kernel-a.elf"
    assert told.names.before == f"kernel-a.elf, boot {told.resets}"
    assert len(registrations_in(told.result)) == 6 * told.resets + 6 - 6 * (
        told.result.record.registrations[-1].gpa == 0
    )
    assert "came before" in run_report(told)
    assert "came before" in run_text(told)


def test_the_command_runs_the_guest_as_run_does_and_writes_both_forms(tmp_path):
    plain = papvmm("run", *KERNELS)
    done = papvmm("report", "-o", tmp_path, "--text", "--areas-on-reset", "keep", *KERNELS)
    text = (tmp_path / "report.txt").read_text("utf-8")

    assert (plain.returncode, done.returncode) == (0, 0)
    assert b"kernel A" in done.stdout
    assert b"papvmm report" not in done.stdout
    assert done.stderr.decode().endswith(
        f"{text}papvmm: ✗ 2,080 stale stores; the report is {tmp_path}/report.html\n"
    )
    assert text == run_text(run("keep"))
    assert (tmp_path / "report.html").read_text("utf-8") == run_report(run("keep"))


def test_a_question_is_answered_and_a_report_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    asked = papvmm("report", "-cpu", "help")
    refused = papvmm("report", "-o", tmp_path / "file", "-m", 16, IMAGES / "hello-be.elf")
    debugged = papvmm("report", "-s", IMAGES / "hello-be.elf")

    assert (asked.returncode, refused.returncode, debugged.returncode) == (0, 65, 2)
    assert b"papvmm record the run" in debugged.stderr
    assert b"power9" in asked.stdout
    assert b"the report can't be written" in refused.stderr


def test_a_recording_gives_the_report_the_trace_and_the_log_of_the_run_it_was_made_of(tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    keep = ("--areas-on-reset", "keep")
    assert papvmm("record", "-o", tmp_path / "recording", *keep, *KERNELS).returncode == 0
    first = papvmm("report", "-o", run, "-d", "hcall", "-D", tmp_path / "log", "--trace",
                   tmp_path / "trace", *keep, *KERNELS)  # fmt: skip
    report = papvmm("report", "-o", again, tmp_path / "recording")
    replay = papvmm("replay", "-d", "hcall", "-D", tmp_path / "log again", "--trace",
                    tmp_path / "trace again", tmp_path / "recording")  # fmt: skip

    assert (first.returncode, report.returncode, replay.returncode) == (0, 0, 0)
    assert first.stdout == report.stdout == replay.stdout
    assert (again / "report.txt").read_bytes() == (run / "report.txt").read_bytes()
    assert (tmp_path / "log again").read_bytes() == (tmp_path / "log").read_bytes()
    assert (tmp_path / "trace again").read_bytes() == (tmp_path / "trace").read_bytes()
