"""The QMP conversation byte by byte, without a machine: docs/interop/qmp-spec of QEMU."""

import json
from dataclasses import dataclass

import pytest

from papvmm.control.qmp.protocol import Answer, Request, Session, event, greeting, success
from papvmm.control.qmp.schema import command


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Everything:
    number: int
    number_or_text: int | str
    a_list: int | list[int]
    switch: bool = False
    maybe: str | None = None


async def echo(_control, arguments):
    return {"got": repr(arguments)}


COMMANDS = {
    "query-nothing": command("query-nothing", Nothing, echo, oob=True),
    "take": command("take", Everything, echo),
}
NEGOTIATION = b'{"execute": "qmp_capabilities"}\n'
ARGUMENTS = {"number": 1, "number-or-text": "x", "a-list": [2, 3]}


@pytest.fixture
def session():
    session = Session(COMMANDS)
    session.feed(NEGOTIATION)
    return session


def line(**message):
    return (
        json.dumps({name.replace("_", "-"): value for name, value in message.items()}).encode()
        + b"\n"
    )


def only(items):
    (item,) = items
    return item


def error_of(items):
    answer = only(items)
    assert isinstance(answer, Answer)
    return answer.fields["error"]


def test_the_greeting_names_a_version_of_qemu_papvmm_and_the_capability_oob():
    text = greeting()

    assert text.endswith(b"\r\n")
    hello = json.loads(text)["QMP"]
    assert hello["version"]["qemu"] == {"major": 9, "minor": 2, "micro": 0}
    assert hello["version"]["package"].startswith("papvmm-")
    assert hello["capabilities"] == ["oob"]


def test_before_the_negotiation_every_other_command_is_not_found():
    items = Session(COMMANDS).feed(b'{"execute": "query-nothing", "id": 7}\n')

    assert only(items).fields["error"]["class"] == "CommandNotFound"
    assert only(items).fields["id"] == 7


def test_the_negotiation_answers_an_empty_return_and_commands_follow():
    session = Session(COMMANDS)

    negotiated, request = session.feed(NEGOTIATION + b'{"execute": "query-nothing"}\n')

    assert negotiated == Answer({"return": {}}, begins=True)
    assert isinstance(request, Request)


def test_a_second_negotiation_is_not_found(session):
    assert error_of(session.feed(NEGOTIATION))["class"] == "CommandNotFound"


@pytest.mark.parametrize("enable", [["oob", "magic"], "oob", [1], {}])
def test_capabilities_nobody_offered_can_not_be_enabled_and_the_negotiation_stays_open(enable):
    session = Session(COMMANDS)

    answer = only(session.feed(line(execute="qmp_capabilities", arguments={"enable": enable})))

    assert answer.fields["error"]["class"] == "GenericError"
    assert "enable" in answer.fields["error"]["desc"]
    assert only(session.feed(NEGOTIATION)).begins


def test_out_of_band_execution_must_be_negotiated_and_suit_the_command():
    session = Session(COMMANDS)
    session.feed(line(execute="qmp_capabilities", arguments={"enable": ["oob"]}))

    assert only(session.feed(line(exec_oob="query-nothing"))).out_of_band
    assert (
        error_of(session.feed(line(exec_oob="take", arguments=ARGUMENTS)))["class"]
        == "GenericError"
    )


def test_without_oob_negotiated_nothing_is_executed_out_of_band(session):
    assert error_of(session.feed(line(exec_oob="query-nothing")))["class"] == "GenericError"


@pytest.mark.parametrize("tag", [0, "a", None, [1, {"b": 2}], {"c": 1.5}, "\ud800"])
def test_the_id_comes_back_with_the_return_and_with_an_error(session, tag):
    request = only(session.feed(line(execute="query-nothing", id=tag)))
    refusal = only(session.feed(line(execute="nothing-like-it", id=tag)))

    assert success(request, {}).fields == {"return": {}, "id": tag}
    assert refusal.fields["id"] == tag


def test_without_an_id_there_is_none_in_the_answer(session):
    assert success(only(session.feed(line(execute="query-nothing"))), {}).fields == {"return": {}}


def test_an_unknown_command_is_not_found_by_name(session):
    error = error_of(session.feed(line(execute="device_add")))

    assert error["class"] == "CommandNotFound"
    assert "device_add" in error["desc"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"number": "1"}, "number"),
        ({"number": True}, "number"),
        ({"number": 1.0}, "number"),
        ({"number": -1}, "number"),
        ({"number": 1 << 64}, "number"),
        ({"number": None}, "number"),
        ({"number-or-text": []}, "number-or-text"),
        ({"a-list": "3"}, "a-list"),
        ({"a-list": [1, "2"]}, "a-list"),
        ({"switch": 1}, "switch"),
        ({"maybe": None}, "maybe"),
        ({"number_or_text": 1}, "number_or_text"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(session, changed, named):
    error = error_of(session.feed(line(execute="take", arguments=ARGUMENTS | changed)))

    assert error["class"] == "GenericError"
    assert f"'{named}'" in error["desc"]


def test_a_missing_argument_is_an_error_that_names_it(session):
    error = error_of(session.feed(line(execute="take", arguments={"number": 1, "a-list": 2})))

    assert error["class"] == "GenericError"
    assert "'number-or-text'" in error["desc"]


async def test_arguments_arrive_by_name_and_the_others_have_their_defaults(session):
    arguments = {"number": (1 << 64) - 1, "number-or-text": 5, "a-list": 6}
    request = only(session.feed(line(execute="take", arguments=arguments)))

    got = await request.act(None)

    assert got == {"got": repr(Everything((1 << 64) - 1, 5, 6))}


@pytest.mark.parametrize(
    "text",
    [
        b'{"execute": "query-nothing"',
        b'{"execute": query-nothing}',
        b'["execute"]',
        b'"execute"',
        b"7",
        b"\xff\xfe",
        b'{"execute": "query-nothing", "id": NaN}',
        b'{"execute": "query-nothing", "id": 1e999}',
        b'{"execute": "query-nothing", "id": ' + b"9" * 5000 + b"}",
        b'{"execute": "query-nothing", "execute": "query-nothing"}',
        b'{"execute": "take", "arguments": {"number": 1, "number": 2}}',
        b'{"execute": "query-nothing", "id": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"execute": "query-nothing", "id": ' + b"[" * 30000,
        b'{"execute": "query-nothing", "magic": 1}',
        b'{"execute": "query-nothing", "exec-oob": "query-nothing"}',
        b'{"arguments": {}}',
        b'{"execute": 5}',
        b'{"execute": "query-nothing", "arguments": []}',
        b'{"execute": "query-nothing", "arguments": null}',
    ],
)
def test_what_is_no_command_gets_one_error_and_the_next_command_is_heard(session, text):
    items = session.feed(text + b'\n{"execute": "query-nothing"}\n')

    *errors, request = items
    assert error_of(errors)["class"] == "GenericError"
    assert "\n" not in error_of(errors)["desc"]
    assert isinstance(request, Request)


def test_brackets_in_strings_nest_nothing(session):
    identity = '"[{' * 100

    request = only(session.feed(line(execute="query-nothing", id=identity)))

    assert request.tag == {"id": identity}


def test_a_line_without_end_gets_one_error_and_costs_no_memory(session):
    items = [item for _ in range(100) for item in session.feed(b"x" * 10_000)]

    assert "longer" in error_of(items)["desc"]
    assert isinstance(only(session.feed(b'\n{"execute": "query-nothing"}\n')), Request)


def test_blank_lines_get_no_answer(session):
    assert session.feed(b"\n\r\n  \t\r\n") == []


def test_a_message_may_come_in_pieces_and_several_on_a_line(session):
    text = b'{"execute": "query-nothing"} {"execute": "query-nothing"}\r\n'

    items = [item for byte in text for item in session.feed(bytes([byte]))]

    assert [type(item) for item in items] == [Request, Request]


def test_a_client_that_ends_no_line_is_understood(session):
    assert isinstance(only(session.feed(b'{"execute": "query-nothing"}')), Request)
    assert session.end() == []


def test_a_message_cut_off_by_the_end_is_an_error(session):
    assert session.feed(b'{"execute": "query-') == []
    assert error_of(session.end())["class"] == "GenericError"


def test_an_event_carries_seconds_and_microseconds():
    text = event("STOP", {}, 1_700_000_000_000_042)

    assert json.loads(text) == {
        "event": "STOP",
        "data": {},
        "timestamp": {"seconds": 1_700_000_000, "microseconds": 42},
    }
    assert text.endswith(b"\r\n")
