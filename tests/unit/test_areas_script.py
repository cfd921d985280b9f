"""Areas scripts: the language, and what becomes of bad ones."""

import gzip
import json

import pytest

from papvmm.cli.main import dispatch
from papvmm.errors import BadInput
from papvmm.machine.areas_script import difference, parse_script, run_script

CONFIG = {"ram": 0x10000, "page": 4096, "vcpus": [0, 8]}


def script(*ops, level="kvm", exp=None, **config):
    fields = {"id": "s", "level": level, "config": CONFIG | config, "ops": list(ops)}
    return json.dumps(fields if exp is None else fields | {"exp": exp})


def run(*ops, level="kvm", **config):
    return run_script(parse_script(script(*ops, level=level, **config), "here"))


def test_numbers_are_in_c_notation():
    results = run("poke 0x100 0102030405060708", "peek 0400 2", "peek 258 1", "peek 0x104 0x2")

    assert [result["val"] for result in results[1:]] == ["0102", "03", "0506"]


@pytest.mark.parametrize(
    ("text", "value"), [("-1", 2**64 - 1), ("0", 0), ("0x" + "0" * 30 + "80", 0x80)]
)
def test_numbers_have_64_bits(text, value):
    results = run("setreg 0 VPA 0x1000", f"setreg 0 SLB 0x2000 {text}", "getreg 0 SLB")

    assert results[2]["val"] == ["0x2000", hex(value)]


def test_memory_ends_where_the_config_says():
    results = run(
        "poke 0xffff 00", "poke 0xffff 0000", "poke -1 00", "peek 0x10000 1", "peek 0 0x10000"
    )

    assert [result["ret"] for result in results] == [0, -1, -1, -1, 0]
    assert "val" not in results[3]


def test_results_hold_stores_and_a_checksum():
    results = run("peek 0 4", "poke 0x2004 0400", "hreg 0 0x200000000000 8 0x2000", "enter 8")

    assert results[0] == {"op": "peek", "ret": 0, "val": "00000000", "w": [], "crc": "d7978eeb"}
    assert results[3]["w"] == [
        ["0x2009", "02"],
        ["0x2100", "00000001"],
        ["0x2158", "0000000000000000"],
        ["0x2100", "00000002"],
    ]


def test_an_id_in_place_of_a_name_and_of_another_size():
    results = run(
        "setreg 0 0x1030000000000082 0x1000",
        "getreg 0 VPA",
        "setreg 0 0x1040000000000082 0x2000",
        "getreg 0 0x1040000000000082",
        "setreg 0 0x1050000000000082 0x2000 4",
    )

    assert [result["ret"] for result in results] == [0, 0, -22, -22, -22]
    assert results[1]["val"] == ["0x1000"]


def test_reset_goes_through_the_vcpus_and_stops_at_an_error():
    ops = [
        "setreg 0 VPA 0x1000",
        "setreg 8 VPA 0x2000",
        "setreg 8 DTL 0x3000 96",
        "reset",
        "reset 48",
    ]

    results = run(*ops, level="kvm-3.7")

    assert results[3]["steps"] == [[0, 0, -22], [8, 0, -22]]
    assert results[4]["steps"] == [[0, 0, 0, 0], [8, 0, 0, 0]]


def test_a_crashed_host_answers_nothing_more():
    results = run("hreg 0 0xa00000000000 0 0", "enter 0", "poke 0 01", level="kvm-3.6")

    assert results[0]["ret"] == 0
    assert "ret" not in results[1]
    assert "null pointer" in results[1]["crash"]
    assert results[2]["crc"] == results[0]["crc"]


def test_a_difference_says_where_and_what():
    exp = [{"op": "getreg", "ret": 0, "val": ["0x1000"]}]
    wrong = parse_script(script("getreg 0 VPA", exp=exp), "here")

    found = difference(wrong, run_script(wrong))

    assert found == 'operation 0, \'getreg 0 VPA\': val is ["0x0"], expected ["0x1000"]'


def test_what_was_not_recorded_is_not_compared():
    silent = parse_script(script("getreg 0 VPA", "state 0", exp=[{"ret": 0}, {}]), "here")

    assert difference(silent, run_script(silent)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[",
        "[" * 100_000,
        "[]",
        "7",
        "{}",
        '{"id": 1}',
        script(level="kvm-9"),
        script(level=3),
        script("enter 0", ram=0),
        script("enter 0", ram=1 << 60),
        script("enter 0", ram="big"),
        script("enter 0", ram=True),
        script("enter 0", page=8192),
        script("enter 0", vcpus=[]),
        script("enter 0", vcpus=[1, 1]),
        script("enter 0", vcpus=[-1]),
        script("enter 0", vcpus=[1 << 31]),
        script("enter 0", vcpus=[[]]),
        script("enter 0", vcpus={}),
        script(7),
        script("enter 0", exp=[]),
        script("enter 0", exp=[7]),
        script("enter 0", exp={}),
        '{"level": "kvm", "config": {}, "ops": []}',
        '{"level": "kvm", "config": 3, "ops": []}',
        '{"level": "kvm", "config": {"ram": 4096, "page": 4096, "vcpus": [0]}}',
    ],
)
def test_lines_that_are_no_scripts(line):
    with pytest.raises(BadInput, match=r"^here: ") as error:
        parse_script(line, "here")

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "op",
    [
        "",
        "   ",
        "fly 0",
        "enter",
        "enter 1",
        "enter x",
        "enter 0 tb",
        "enter 0 tb=",
        "enter 0 when=3",
        "enter 0 tb=08",
        "tryenter",
        "exit 0 0",
        "exit 0x",
        "hreg 0 0 0",
        "hreg 1 0 0 0",
        "hreg 0 0 0 1e3",
        "setreg 0 VPA",
        "setreg 0 VPA 1 2 3",
        "setreg 0 vpa 1",
        "getreg 0",
        "getreg 0 PVR",
        "poke 0",
        "poke 0 0",
        "poke 0 0g",
        "peek 0 0x10000000000000000",
        "peek 0 18446744073709551616",
        "peek 0 " + "9" * 5000,
        "peek 0 \u0663",
        "reset 1 2",
        "dirtylog 1",
        "state",
        "state 4",
    ],
)
def test_operations_that_are_none(op):
    with pytest.raises(BadInput, match=r"^here: ") as error:
        run(op)

    assert "\n" not in str(error.value)


def test_only_levels_that_track_dirty_pages_have_a_dirty_log():
    with pytest.raises(BadInput, match="no dirty log"):
        run("dirtylog", level="kvm-3.7")


# The command.


GOOD = script("getreg 0 VPA", exp=[{"op": "getreg", "ret": 0, "val": ["0x0"], "w": []}])
WRONG = script("getreg 0 VPA", exp=[{"op": "getreg", "ret": -22}])


def test_the_command_counts_scripts(tmp_path, capsys):
    file = tmp_path / "scripts.jsonl"
    file.write_text(f"{GOOD}\n\n{WRONG}\n{GOOD}\n")

    code = dispatch(["areas", str(file)])

    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:3: 's': operation 0, 'getreg 0 VPA': ret is 0, expected -22",
        "2 passed, 1 failed",
    ]


def test_the_command_reads_gzip_and_prints_json(tmp_path, capsys):
    file = tmp_path / "scripts"
    file.write_bytes(gzip.compress(f"{GOOD}\n{script('peek 0 1')}".encode()))

    code = dispatch(["areas", str(file), "--json"])

    assert code == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == ["s", "s"]
    assert lines[0]["results"][0]["val"] == ["0x0"]
    assert lines[1]["results"][0]["val"] == "00"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n", b"\x1f\x8b", gzip.compress(b"{}" * 99, mtime=0)[:-9], b"\xff", b"nonsense"],
)
def test_a_file_that_holds_no_scripts(tmp_path, capsys, content):
    file = tmp_path / "scripts"
    file.write_bytes(content)

    code = dispatch(["areas", str(file)])

    assert code == 65
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert dispatch(["areas", str(tmp_path / "none")]) == 65
    assert "No such file" in capsys.readouterr().err
