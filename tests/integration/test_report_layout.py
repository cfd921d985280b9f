"""Reports as a browser lays them out: nothing is cut off, whatever kernels call their functions."""

import re
import subprocess
from dataclasses import replace

import pytest

from papvmm.observe.report import report
from tests.played_reboot import played_exhibit

pytestmark = pytest.mark.oracle

LONG = (
    "register_dtl_buffer ← dtl_worker_online ← cpuhp_invoke_callback; at __rela_dyn_start+0x27c470"
)
MEASURE = """<script>
document.title = [document.documentElement, ...document.querySelectorAll(".scroll")]
  .map(part => part.scrollWidth - part.clientWidth).join(" ");
</script></body>"""


def overhang(text, width, path):
    """Pixels by which the page, and each part that can be scrolled, is wider than its place."""
    path.write_text(text.replace("</body>", MEASURE), "utf-8")
    done = subprocess.run(
        ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--window-size={width},900", f"--user-data-dir={path.parent}", f"file://{path}"),
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return [int(pixels) for pixels in re.search(r"<title>([^<]*)", done.stdout)[1].split()]


def long_winded():
    exhibit = played_exhibit()
    registrations = exhibit.harmed.record.registrations
    callers = {registration.number: LONG for registration in registrations}
    return report(replace(exhibit, harmed=replace(exhibit.harmed, callers=callers)), ())


def test_nothing_is_cut_off_at_1200_pixels(tmp_path):
    assert overhang(long_winded(), 1200, tmp_path / "report.html") == [0, 0]


def test_a_narrow_page_scrolls_its_tables_and_not_itself(tmp_path):
    page, table = overhang(long_winded(), 800, tmp_path / "report.html")

    assert page == 0
    assert table > 0
