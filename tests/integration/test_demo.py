"""``papvmm demo`` on the guests themselves: what section 11 of the fact sheet says must happen."""

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from papvmm.cli.demo import carry
from papvmm.observe.corruption import by_field
from papvmm.observe.demonstrations import DEMONSTRATIONS
from papvmm.observe.exhibit import Exhibit
from papvmm.observe.picture import picture
from papvmm.observe.stage import perform
from papvmm.vpa.dtl import DTL_ENTRY

ROOT = Path(__file__).resolve().parents[2]
AREAS, STRIDE = 0x600000, 0x4000


@cache
def exhibit(name: str) -> Exhibit:
    return asyncio.run(perform(DEMONSTRATIONS[name](), carry, lambda scene: None))


def hits_by_place(shown: Exhibit) -> list[tuple[int, int, str]]:
    """vcpu, offset into its areas, field; a log entry's field is dtl."""
    return [
        (hits.write.vcpu_id, hits.gpa - AREAS - STRIDE * hits.write.vcpu_id, hits.name)
        for hits in by_field(shown.harmed.corruption.hits)
        if hits.write.area == "VPA"
    ]


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_the_harm_shows_and_the_cure_cures(name):
    assert exhibit(name).convinces


def test_kept_areas_corrupt_exactly_the_fields_that_kvm_writes_at_entry_and_exit():
    assert hits_by_place(exhibit("reboot")) == [
        (0, 0x100, "lppaca.yield_count"),
        (0, 0x158, "lppaca.enqueue_dispatch_tb"),
        (0, 0x218, "lppaca.dtl_idx"),
        (1, 0x100, "lppaca.yield_count"),
        (1, 0x158, "lppaca.enqueue_dispatch_tb"),
        (1, 0x218, "lppaca.dtl_idx"),
    ]


def test_the_level_of_the_commit_writes_no_wait_time():
    assert [place[1] for place in hits_by_place(exhibit("dtl-quirk"))] == [0x100, 0x218] * 2


def test_the_yield_count_drifts_by_one_an_entry_and_one_an_exit():
    hits = by_field(exhibit("reboot").harmed.corruption.hits)
    counts = [group.spots[0] for group in hits if group.name == "lppaca.yield_count"]

    drifts = [
        int.from_bytes(spot.now, "big") - int.from_bytes(spot.first.old, "big") for spot in counts
    ]

    assert len(drifts) == 2
    assert drifts == [spot.count for spot in counts]


def test_every_log_entry_is_48_bytes_that_say_time_slice_and_where_the_guest_went_on():
    corruption = exhibit("reboot").harmed.corruption
    entries = [hit for hit in corruption.hits if hit.first.area == "DTL"]
    srr0 = DTL_ENTRY["srr0"].offset

    assert len(entries) == 20
    for entry in entries:
        assert len(entry.now) == 48
        assert entry.now[0] == 7
        assert int.from_bytes(entry.now[srr0 : srr0 + 8], "big") in range(0x400000, 0x410000)


def test_kernel_b_finds_the_words_that_the_stores_explain_and_no_others():
    corruption = exhibit("reboot").harmed.corruption

    assert corruption.testimony is not None
    assert corruption.testimony.words == len(corruption.gpas)
    assert set(corruption.testimony.gpas) <= set(corruption.gpas)


def test_unregistered_areas_are_never_stored_to_after_the_reset():
    record = exhibit("reboot").cured.record

    assert record.handover is not None
    assert record.spots == ()
    assert [store for store in record.stores if store.write.icount > record.handover.icount] == []


def test_the_quirk_refuses_with_einval_on_every_vcpu():
    refusals = exhibit("dtl-quirk").harmed.refusals

    assert len(refusals) == 2
    assert all("EINVAL" in refusal for refusal in refusals)


def test_the_host_crash_is_the_old_levels_and_the_next_level_survives_the_same_guest():
    shown = exhibit("oops")

    assert shown.harmed.crashed
    assert not shown.cured.crashed


def test_without_a_reset_the_areas_go_on_until_the_next_kernel_deregisters_them():
    shown = exhibit("crash-kexec")

    assert shown.harmed.record.handover is not None
    assert shown.harmed.record.handover.reason == "no reset"
    assert len(hits_by_place(shown)) == 6


def test_a_restored_guest_has_areas_exactly_where_one_reg_could_carry_them():
    shown = exhibit("hibernation")

    assert shown.harmed.record.spots == ()
    assert {spot.first.vcpu_id for spot in shown.cured.record.spots} == {0, 1}
    assert not any(spot.foreign for spot in shown.cured.record.spots)


def test_the_log_index_of_a_restored_guest_restarts():
    shown = exhibit("hibernation")
    index = [spot for spot in shown.cured.record.spots if spot.first.field == "lppaca.dtl_idx"]

    assert [int.from_bytes(spot.first.new, "big") for spot in index] == [1, 1]


def test_the_picture_in_the_docs_is_what_the_demo_draws():
    assert (ROOT / "docs" / "demo.svg").read_text("utf-8") == picture(exhibit("reboot"))


def papvmm(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "papvmm", *args], capture_output=True, text=True, check=False
    )


def test_the_command_prints_json_and_writes_report_picture_and_guests(tmp_path):
    done = papvmm("demo", "--json", "--out", str(tmp_path / "out"))

    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (result["keep"]["corrupted"], result["unregister"]["corrupted"]) == (True, False)
    assert result["keep"]["words_told"] == len(result["keep"]["words"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html", "demo.svg", "kernel-a.elf", "kernel-b.elf",
    }  # fmt: skip


def test_the_command_lists_the_demonstrations():
    done = papvmm("demo", "--list")

    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == [*DEMONSTRATIONS, "linux"]


def test_the_command_it_prints_runs_the_harmed_scene_by_hand(tmp_path):
    done = papvmm("demo", "--out", str(tmp_path))
    command = " ".join(done.stdout.partition("run it")[2].replace("\\\n", " ").split())

    console = papvmm(*command.split()[1:]).stdout

    assert re.search(r"kernel B: \d+ words changed", console)


def test_the_functions_that_registered_an_area_are_named():
    hits = by_field(exhibit("reboot").harmed.corruption.hits)
    registrations = [hit.write.registration for hit in hits]

    callers = {exhibit("reboot").harmed.callers[r.number] for r in registrations if r}

    assert callers == {
        "areas_register ← old_kernel ← guest",
        "areas_register ← secondary ← secondary_cpu",
    }


def test_the_linux_demonstration_needs_a_kernel():
    done = papvmm("demo", "linux")

    assert (done.returncode, done.stdout) == (2, "")
    assert "papvmm demo linux needs --kernel VMLINUX" in done.stderr


def test_a_kernel_is_for_the_linux_demonstration_only():
    done = papvmm("demo", "oops", "--kernel", "vmlinux")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--kernel and --initrd are for papvmm demo linux" in done.stderr


def test_an_output_directory_that_can_not_be_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")

    done = papvmm("demo", "--out", str(tmp_path / "file"))

    assert done.returncode == 65
    assert done.stderr.count("\n") == 1


def on_a_terminal(tmp_path: Path, **environment: str) -> tuple[str, str]:
    """Run the demo with stdout and stderr on terminals; return what it wrote there."""
    outs, errs = os.openpty(), os.openpty()
    command = [sys.executable, "-m", "papvmm", "demo", "oops", "--out", str(tmp_path)]
    done = subprocess.Popen(command, stdout=outs[1], stderr=errs[1], env=os.environ | environment)
    texts = []
    for ours, theirs in (outs, errs):
        os.close(theirs)
        text = b""
        with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while chunk := terminal.read(4096):
                text += chunk
        texts.append(text.decode())
    assert done.wait() == 0
    return texts[0], texts[1]


def test_a_terminal_gets_colours_and_a_progress_line_that_is_gone_in_the_end(tmp_path):
    out, err = on_a_terminal(tmp_path, NO_COLOR="")

    assert "\x1b[1;31m" in out
    assert "running: KVM of Linux 3.6" in err
    assert err.endswith("\r\x1b[K")


def test_who_wants_no_colours_gets_none(tmp_path):
    out, _ = on_a_terminal(tmp_path, NO_COLOR="1")

    assert "HOST CRASHED" in out
    assert "\x1b" not in out


def test_a_terminal_without_the_signs_gets_ascii(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "papvmm", "demo", "--out", str(tmp_path)]

    out = subprocess.run(command, capture_output=True, check=True, env=environment).stdout

    assert b"X CORRUPTED from @" in out
    assert b"OK INTACT" in out
    assert all(byte < 128 for byte in out)
