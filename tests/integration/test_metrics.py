"""Prometheus metrics of a guest: what they say, in a file, and over HTTP."""

import asyncio
import random
import stat
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from papvmm import __version__
from papvmm.control.metrics import server as serving
from papvmm.control.metrics.address import UnixAddress, parse_address
from papvmm.control.metrics.file import MetricsFile
from papvmm.control.metrics.server import LONGEST, MOST_CLIENTS, MetricsServer
from papvmm.control.tcp import Place
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.config import AreasOnReset
from papvmm.machine.machine import Machine
from papvmm.observe.metrics import CONTENT_TYPE, Metrics
from papvmm.papr.hcall import Hcall
from tests.guest_programs import ENTRY, FOREVER, guest_running, hcall
from tests.shell import IMAGES, papvmm, running

GET = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"
VPA = 0x8000


def values(text):
    """Return every sample that Prometheus's own parser finds, by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def guest_with_vpa(**config):
    register = (
        f"li 4,1; sldi 4,4,45; li 5,0; lis 6,0; ori 6,6,{VPA}; li 3,{Hcall.H_REGISTER_VPA}; sc 1"
    )
    guest = guest_running(
        f"{register}; {hcall(Hcall.H_PROD, 9)}; {FOREVER}", slice_counts=1000, vcpus=2, **config
    )
    guest.memory.store_be(VPA + 4, 2, 640)
    return guest


def test_what_a_guest_does_is_counted():
    guest = guest_with_vpa(areas_on_reset=AreasOnReset.KEEP)
    metrics = Metrics(guest)
    guest.run(5000)
    guest.reset("guest-reset")
    guest.vcpus[0].start(ENTRY, 0)
    guest.run(1)

    told = values(metrics.text())

    vcpu0, vcpu1 = ("vcpu", "0"), ("vcpu", "1")
    assert told["papvmm_instructions_total",] == 5001
    assert told["papvmm_guest_seconds_total",] == pytest.approx(5001e-9)
    assert told["papvmm_vcpu_instructions_total", vcpu0] == 5001
    assert told["papvmm_vcpu_seconds_total", ("state", "run"), vcpu0] == pytest.approx(5e-6, 1e-2)
    assert told["papvmm_vcpu_seconds_total", ("state", "idle"), vcpu1] == pytest.approx(5001e-9)
    assert told["papvmm_hcalls_total", ("name", "H_REGISTER_VPA"), ("rc", "H_SUCCESS")] == 1
    assert told["papvmm_hcalls_total", ("name", "H_PROD"), ("rc", "H_PARAMETER")] == 1
    assert told["papvmm_areas", ("area", "VPA")] == 1
    assert told["papvmm_areas", ("area", "DTL")] == 0
    assert told["papvmm_hv_writes_total",] == guest.door.count
    stale = sum(write.is_stale for write in guest.door.writes)
    assert told["papvmm_hv_stale_writes_total", ("area", "VPA")] == stale > 0
    assert told["papvmm_vcpu_yield_count", vcpu0] == guest.vcpus[0].areas.yield_count
    assert told["papvmm_resets_total", ("reason", "guest-reset")] == 1


def test_resets_that_a_guest_brings_along_are_counted_too():
    guest = guest_with_vpa()
    guest.reset("guest-reset")
    metrics = Metrics(guest)
    guest.door.generation = 3
    guest.reset("guest-reset")

    told = values(metrics.text())

    assert told["papvmm_resets_total", ("reason", "earlier")] == 3
    assert told["papvmm_resets_total", ("reason", "guest-reset")] == 1


@asynccontextmanager
async def served(address, guest=None):
    guest = guest or guest_running(FOREVER, slice_counts=10_000)
    machine = Machine(guest)
    server = MetricsServer(address, machine, Metrics(guest).text, CONTENT_TYPE)
    async with machine, server:
        machine.resume()
        yield server


async def hear(reader):
    """Return what comes until the other side hangs up, politely or not."""
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""


async def asked(connection, request):
    """Return the status, the headers and the body of the answer to a request."""
    reader, writer = await connection
    writer.write(request)
    answer = await hear(reader)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return status.partition(" ")[2], dict(line.split(": ") for line in headers), body


async def test_a_unix_socket_that_is_its_owners_alone(tmp_path):
    path = tmp_path / "metrics"
    async with served(UnixAddress(str(path))):
        mode = stat.S_IMODE(path.stat().st_mode)
        status, headers, body = await asked(asyncio.open_unix_connection(path), GET)

    assert mode == 0o600
    assert (status, headers["Content-Type"]) == ("200 OK", CONTENT_TYPE)
    assert int(headers["Content-Length"]) == len(body)
    assert ("papvmm_instructions_total",) in values(body.decode())
    assert not path.exists()


async def test_a_port_of_this_host():
    async with served(Place("127.0.0.1", 0)) as there:
        status, _, body = await asked(asyncio.open_connection("127.0.0.1", there.port), GET)

        with pytest.raises(BadInput, match="in use"):
            async with served(Place("127.0.0.1", there.port)):
                pass

    assert status == "200 OK"
    assert b"papvmm_instructions_total" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"HEAD /metrics HTTP/1.0\r\n\r\n", "200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        (b"GET /metrics\r\n\r\n", "400 Bad Request"),
        (b"\r\n\r\n", "400 Bad Request"),
        (b"\xff" * (LONGEST + 4), "400 Bad Request"),
    ],
)
async def test_other_requests(tmp_path, request_, status):
    path = tmp_path / "metrics"
    async with served(UnixAddress(str(path))):
        answer = await asked(asyncio.open_unix_connection(path), request_)

    assert answer[0] == status
    assert answer[2] == b""


async def test_there_are_no_more_clients_than_it_can_serve(tmp_path, monkeypatch):
    path, draw = tmp_path / "metrics", random.Random(5)
    monkeypatch.setattr(serving, "PATIENCE", 3600)
    async with served(UnixAddress(str(path))):
        silent = [await asyncio.open_unix_connection(path) for _ in range(MOST_CLIENTS)]
        for _, writer in silent:
            writer.write(draw.randbytes(100))
        turned_away = await asked(asyncio.open_unix_connection(path), GET)
        for _, writer in silent:
            writer.write_eof()
        answers = [await hear(reader) for reader, _ in silent]
        status, _, _ = await asked(asyncio.open_unix_connection(path), GET)
        for _, writer in silent:
            writer.close()

    assert turned_away == ("", {}, b"")
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 400"] * MOST_CLIENTS
    assert status == "200 OK"


async def test_a_client_that_says_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "PATIENCE", 0.05)
    async with served(UnixAddress(str(tmp_path / "metrics"))):
        answer = await asked(asyncio.open_unix_connection(tmp_path / "metrics"), b"GET ")

    assert answer == ("", {}, b"")


async def test_a_file_is_whole_at_any_time_and_complete_at_the_end(tmp_path, monkeypatch):
    path, guest, told = tmp_path / "guest.prom", guest_with_vpa(), []
    async with MetricsFile(str(path), Metrics(guest).text, told.append):
        first = values(path.read_text())
        guest.run(1000)

    last = values(path.read_text())
    assert first["papvmm_instructions_total",] == 0
    assert last["papvmm_instructions_total",] == 1000
    assert [file.name for file in tmp_path.iterdir()] == ["guest.prom"]
    assert told == []


async def test_a_file_that_can_not_be_written(tmp_path):
    directory, told = tmp_path / "there", []
    with pytest.raises(BadInput, match="No such file"):
        async with MetricsFile(str(directory / "x"), str, told.append):
            pass
    directory.mkdir()
    async with MetricsFile(str(directory / "x"), str, told.append):
        (directory / "x").unlink()
        directory.rmdir()

    (line,) = told
    assert "No such file" in line


@pytest.mark.parametrize(
    "text", ["", "unix:", "tcp:", "tcp:host", "tcp::99999", "tcp:a:b:1", "http://x", "tcp:x:1:2"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadUsage, match="write unix:PATH"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:a b", UnixAddress("a b")), ("tcp::0", Place("127.0.0.1", 0)),
        ("tcp:[::1]:9100", Place("::1", 9100)), ("tcp:host:80", Place("host", 80)),
    ],
)  # fmt: skip
def test_addresses(text, address):
    assert parse_address(text) == address


def test_a_run_leaves_its_metrics(tmp_path):
    path = tmp_path / "guest.prom"
    done = papvmm("run", IMAGES / "hello-le.elf", "--metrics-file", path)

    told = values(path.read_text())

    assert done.returncode == 0
    assert told["papvmm_hcalls_total", ("name", "H_PUT_TERM_CHAR"), ("rc", "H_SUCCESS")] > 0
    assert ("papvmm_info", ("accel", "native"), ("hv", "kvm"), ("version", __version__)) in told


def test_a_run_serves_its_metrics_until_it_ends(tmp_path):
    path = tmp_path / "metrics"
    process = running(IMAGES / "hibernate.elf", "-append", "rounds=0", "--metrics", f"unix:{path}")
    with process:
        *_, body = asyncio.run(asked_at(path))
        process.terminate()
        process.communicate()

    assert values(body.decode())["papvmm_areas", ("area", "VPA")] == 1
    assert not path.exists()


async def asked_at(path):
    return await asked(asyncio.open_unix_connection(path), GET)
