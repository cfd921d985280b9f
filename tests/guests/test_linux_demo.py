"""``papvmm demo linux``: the corruption, by Debian's kernel."""

import json
import re
from pathlib import Path

import pytest

from tests.guests.linux import debian
from tests.shell import papvmm

pytestmark = pytest.mark.linux


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The demonstration with two vcpus: its exit code, JSON and report."""
    out = tmp_path_factory.mktemp("demo")
    arguments = ("demo", "linux", "--kernel", debian().vmlinux, "--smp", 2, "--out", out, "--json")
    done = papvmm(*arguments, timeout=300)
    return done.returncode, json.loads(done.stdout), (out / "report.html").read_text(), out


def test_kept_areas_corrupt_the_next_kernel_and_unregistered_ones_do_not(shown):
    code, result, _, _ = shown

    assert (code, result["convinces"]) == (0, True)
    assert (result["keep"]["corrupted"], result["unregister"]["corrupted"]) == (True, False)
    assert result["keep"]["words_told"] == len(result["keep"]["words"])
    assert result["unregister"]["words_told"] == 0


def test_the_hits_are_in_the_lppacas_and_logs_that_linux_registered_for_both_cpus(shown):
    hits = shown[1]["keep"]["fields"]

    assert {(hit["vcpu"], hit["field"]) for hit in hits} == {
        (cpu, field)
        for cpu in (0, 1)
        for field in (
            "lppaca.yield_count", "lppaca.enqueue_dispatch_tb", "lppaca.dtl_idx",
            "dtl[0] … dtl[84]",
        )
    }  # fmt: skip


def test_the_report_names_the_functions_of_linux_that_registered_the_areas(shown):
    report = shown[2]

    assert "register_dtl_buffer ← dtl_worker_online" in report
    assert "vpa_init ← smp_setup_cpu" in report


def test_the_report_has_the_commands_and_names_the_users_kernel_where_it_is(shown):
    _, _, report, out = shown
    commands = re.findall(r'<pre class="command">(papvmm [^<]*)</pre>', report)

    assert all(str(debian().vmlinux) in command for command in commands)
    assert len(commands) == 3
    assert {path.name for path in Path(out).iterdir()} == {
        "report.html", "demo.svg", "linux-init.cpio", "check-memory.elf",
    }  # fmt: skip
