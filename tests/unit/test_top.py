"""The screen of ``papvmm top``: what is on it, and what a server may answer."""

import pytest

from papvmm.control.top.change import Change
from papvmm.control.top.sample import AreaInForce, Kernel, LogEntry, Sample, VcpuSample
from papvmm.control.top.screen import Panels, screen
from papvmm.control.top.table import Style, plain
from papvmm.control.top.wire import from_json, to_json
from papvmm.errors import BadInput
from papvmm.trace.events import HvWrite, Registration
from tests.shell import IMAGES

MS = 1_000_000
AREAS = {
    "VPA": AreaInForce(0x18000, 640, 0), "SLB_SHADOW": AreaInForce(0x18400, 128, 1),
    "DTL": AreaInForce(0x19000, 4080, 0),
}  # fmt: skip
REGISTRATION = Registration(3, "DTL", 0, 0x19000, 4080, "H_REGISTER_VPA", 0, 0, 99)
STALE = HvWrite(
    0x19030, bytes(48), b"\7" + bytes(47), "enter", "DTL", "dtl[1]", 0, 1, 12_345, REGISTRATION
)
BUSY = VcpuSample(
    0, "run", 0x400000, 3 * MS, 3 * MS, 1 * MS, 0, 88, {"H_CEDE": 7}, AREAS, 41, {"DTL": 3}
)
IDLE = VcpuSample(1, "ceded", 0x1234, 0, 0, 0, 4 * MS, 0, {}, {}, 0, {})
LOG = (
    LogEntry(0, 40, 7, 0, 0, 0x1F04E221, 0x400000),
    LogEntry(0, 41, 3, 2, 512, 0x1F04F000, 0x5678),
)
SAMPLE = Sample(
    "", Kernel("/somewhere/guest.elf", 0x400000), "running", 4 * MS, 3 * MS, 1, (BUSY, IDLE), LOG,
    (STALE,), 1234, STALE,
)  # fmt: skip


def earlier(sample):
    busy = BUSY.replace(run=2 * MS, instructions=2 * MS, hypercalls={"H_CEDE": 2, "H_PROD": 0})
    idle = IDLE.replace(idle=2 * MS)
    return sample.replace(count=2 * MS, icount=2 * MS, vcpus=(busy.replace(waiting=0), idle))


def shown(sample, width, *, seconds=0.5, before=None):
    change = Change(before or earlier(sample), sample, seconds)
    return screen(change, width, Panels(10, 10))


GOLDEN = """\
guest.elf  RUNNING  1 reset  @ 3,000,000  0.004 s  2.0 MIPS

cpu state     nip                    run wait idle     yields  hcalls/s  stale
  0 run       0x400000               50%  50%   0%         88        10      3
  1 ceded     0x1234                  0%   0% 100%          0         0      0

cpu VPA          SLB shadow   DTL          log used/size
  0 0x18000      0x18400      0x19000            ▃ 41/85
  1 -            -            -                        -

hypercalls/s  H_CEDE 10
STALE: 3 stores into areas of a kernel that is gone
       the last at 0x19030 dtl[1] by vcpu 0 @ 12,345

dispatch trace log, newest first
cpu timebase       reason                wait us srr0
  0 0x1f04f000     DECREMENTER H_CEDE        1.0 0x5678
  0 0x1f04e221     TIME_SLICE                0.0 0x400000

hypervisor writes, newest of 1,234 first
         icount cpu gpa        stored             what
         12,345   0 0x19030    07000000000000000… dtl[1] (enter)"""


def test_a_screen_of_80_columns():
    assert plain(shown(SAMPLE, 80)) == GOLDEN


def test_a_wide_screen_has_vcpus_and_areas_in_one_table():
    lines = plain(shown(SAMPLE, 140)).splitlines()

    titles = "cpu state nip run wait idle yields hcalls/s stale VPA SLB shadow DTL log used/size"
    assert " ".join(lines[2].split()) == titles
    assert lines[3].split()[-5:] == ["0x18000", "0x18400", "0x19000", "▃", "41/85"]
    assert max(map(len, lines)) <= 140


def test_what_a_kernel_that_is_gone_left_behind_alarms():
    alarming = {span.text.strip() for line in shown(SAMPLE, 80) for span in line
                if span.style is Style.ALARM}  # fmt: skip

    assert alarming >= {"3", "0x18000", "0x19000", "0x19030", "12,345"}
    assert "0x18400" not in alarming


def test_a_guest_that_stands_still_has_shares_of_all_its_time_and_no_rates():
    lines = plain(shown(SAMPLE, 80, before=SAMPLE)).splitlines()

    assert lines[0].endswith(" 0.0 MIPS")
    assert lines[3].split()[3:6] == ["75%", "25%", "0%"]
    assert "hypercalls/s" in lines


def test_a_guest_that_went_back_in_time_has_no_negative_rates():
    lines = plain(shown(earlier(SAMPLE), 80, before=SAMPLE)).splitlines()

    assert lines[0].endswith(" 0.0 MIPS")
    assert lines[3].split()[3:8] == ["100%", "0%", "0%", "88", "0"]


def test_addresses_have_the_kernels_names_where_its_file_is_there():
    kernel = Kernel(str(IMAGES / "hello-le.elf"), 0x400000)

    assert "_start+0x0" in plain(shown(SAMPLE.replace(kernel=kernel), 80)).splitlines()[3]


def test_a_sample_goes_over_the_wire():
    told = to_json(SAMPLE)

    assert from_json(Sample, told) == SAMPLE
    assert told["vcpus"][0]["yield-count"] == 88
    assert told["vcpus"][0]["hypercalls"] == {"H_CEDE": 7}
    assert told["latest-stale"]["new"] == "07" + 47 * "00"


@pytest.mark.parametrize(
    "change",
    [
        {"count": "1"}, {"count": True}, {"vcpus": {}}, {"vcpus": [1]}, {"kernel": 1},
        {"latest-stale": to_json(STALE) | {"old": "xy"}}, {"more": 1}, {"log": [to_json(BUSY)]},
    ],
)  # fmt: skip
def test_another_answer_than_a_sample_is_refused(change):
    with pytest.raises(BadInput):
        from_json(Sample, to_json(SAMPLE) | change)


@pytest.mark.parametrize("answer", [None, [], 1, {}])
def test_no_answer_at_all_is_refused(answer):
    with pytest.raises(BadInput):
        from_json(Sample, answer)
