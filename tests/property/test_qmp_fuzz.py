"""Damaged control JSON: an error or an answer for each, never anything else."""

import json
import random

from papvmm.control.control import Control
from papvmm.control.qmp.commands import COMMANDS
from papvmm.control.qmp.message import encode
from papvmm.control.qmp.protocol import Answer, Session, failure, success
from papvmm.errors import PapvmmError
from papvmm.machine.machine import Machine
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running
from tests.mutations import damaged, twisted

NEGOTIATION = {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}
MESSAGES = (
    NEGOTIATION,
    {"execute": "query-status", "id": 1},
    {"execute": "query-cpus-fast"},
    {"exec-oob": "query-version", "id": {"a": [1, 2]}},
    {"execute": "query-commands", "arguments": {}},
    {"execute": "stop"},
    {"execute": "system_reset"},
    {"execute": "x-papvmm-one-reg-get", "arguments": {"vcpu": 0, "id": "KVM_REG_PPC_VPA_SLB"}},
    {"execute": "x-papvmm-one-reg-get", "arguments": {"vcpu": 1, "id": 0x1030000000000082}},
    {
        "execute": "x-papvmm-one-reg-set",
        "arguments": {"vcpu": 0, "id": "VPA_ADDR", "value": [0x8000]},
    },
    {
        "execute": "x-papvmm-one-reg-set",
        "arguments": {"vcpu": 1, "id": 0x1040000000000084, "value": [0x9000, 480]},
    },
    {"execute": "x-papvmm-query-areas", "id": "areas"},
    {"execute": "human-monitor-command", "arguments": {"command-line": "xp /16xb 0x1000"}},
    {
        "execute": "human-monitor-command",
        "arguments": {"command-line": "x /5i $pc + 8 - $r3", "cpu-index": 1},
    },
    {"execute": "human-monitor-command", "arguments": {"command-line": "info registers -a"}},
    {"execute": "human-monitor-command", "arguments": {"command-line": "info hv-writes 7"}},
    {"execute": "human-monitor-command", "arguments": {"command-line": "pmemsave 0 16 file"}},
    {
        "execute": "dump-guest-memory",
        "arguments": {"paging": False, "protocol": "file:core", "begin": 4096, "length": 1,
                      "detach": False, "format": "elf"},
    },
    {"execute": "memsave",
     "arguments": {"val": 4096, "size": 100, "filename": "file", "cpu-index": 1}},
    {"execute": "getfd", "arguments": {"fdname": "one"}},
    {"execute": "set-action", "arguments": {"reboot": "pause", "panic": "none"}},
    {"execute": "x-papvmm-memory-read", "arguments": {"ea": 0x1000, "length": 8, "vcpu": 1}},
    {"execute": "x-papvmm-memory-write", "arguments": {"gpa": 0x7000, "data": "0123"}},
    {"execute": "inject-nmi"},
    {"execute": "query-dump"},
    {
        "execute": "x-papvmm-hv-writes",
        "arguments": {"vcpu": 0, "area": "VPA", "field": "lppaca.yield_count", "limit": 9,
                      "gpa": 0x8000, "length": 128, "stale": False, "actor": "enter",
                      "before": 1000},
    },
)  # fmt: skip
TIMES = 10_000


def damaged_line(generator):
    """Return a line of JSON that was damaged as text, or whose values were, or both."""
    message = generator.choice(MESSAGES)
    if generator.randrange(2):
        message = twisted(message, generator)
    line = json.dumps(message).encode() + b"\n"
    return damaged(line, generator) if generator.randrange(2) else line


async def answers(session, control, data):
    """Return what a client is sent for its bytes."""
    sent = []
    for item in session.feed(data):
        if isinstance(item, Answer):
            sent.append(encode(item.fields))
            continue
        try:
            sent.append(encode(success(item, await item.act(control)).fields))
        except PapvmmError as error:
            sent.append(encode(failure(item.tag, str(error)).fields))
    return sent


async def test_damaged_messages_get_an_error_or_an_answer_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = random.Random(TIMES)
    errors = returns = 0
    async with Machine(guest_running(SPIN, vcpus=2)) as machine:
        control = Control(machine)
        for _ in range(TIMES):
            session = Session(COMMANDS)
            session.feed(encode(NEGOTIATION))

            for text in await answers(session, control, damaged_line(generator) + b"\n"):
                assert text.endswith(b"\r\n")
                assert text.count(b"\n") == 1
                answer = json.loads(text)
                assert ("return" in answer) != ("error" in answer)
                errors += "error" in answer
                returns += "return" in answer
                if "error" in answer:
                    assert answer["error"]["class"] in ("GenericError", "CommandNotFound")
                    assert "\n" not in answer["error"]["desc"]

            (status,) = await answers(session, control, b'{"execute": "query-status"}\n')
            assert json.loads(status)["return"]["status"] == "prelaunch"
    assert errors > TIMES // 3
    assert returns > TIMES // 20
