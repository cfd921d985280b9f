"""Packets of gdb's remote protocol, against the examples and rules of its manual."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.control.gdb.packets import LONGEST, Reader, Signal, checksum, frame


def read(*pieces):
    reader = Reader()
    return [item for piece in pieces for item in reader.feed(piece)]


def expanded(packet):
    """Undo what a reply may do, byte by byte, as the manual describes it."""
    assert packet[:1] == b"$"
    assert packet[-3:-2] == b"#"
    body, found = packet[1:-3], bytearray()
    assert int(packet[-2:], 16) == sum(body) % 256
    assert not set(body) & set(b"#$")
    at = 0
    raw = bytearray()
    while at < len(body):
        if body[at] == ord("*"):
            raw += raw[-1:] * (body[at + 1] - 29)
            at += 2
        else:
            raw.append(body[at])
            at += 1
    at = 0
    while at < len(raw):
        if raw[at] == ord("}"):
            found.append(raw[at + 1] ^ 0x20)
            at += 2
        else:
            found.append(raw[at])
            at += 1
    return bytes(found)


def test_the_checksum_is_two_digits():
    assert checksum(b"OK") == b"9a"
    assert checksum(b"") == b"00"


def test_a_run_is_shortened_as_the_manual_has_it():
    assert frame(b"0000") == b"$0* #" + checksum(b"0* ")


@pytest.mark.parametrize("count", [7, 8])
def test_a_count_is_never_a_mark(count):
    packet = frame(b"0" * count)

    assert packet.count(b"#") == 1
    assert packet.count(b"$") == 1
    assert expanded(packet) == b"0" * count


@settings(deadline=None, max_examples=50)
@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([b"#", b"*", b"}", b"0" * 90])).map(b"".join)
)
def test_every_reply_can_be_read(reply):
    assert expanded(frame(reply)) == reply


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 9))
def test_packets_come_out_however_they_come_in(bodies, size):
    escaped = [
        body.replace(b"}", b"}]").replace(b"#", b"}\x03").replace(b"$", b"}\x04") for body in bodies
    ]
    sent = b"+".join(b"$%b#%b" % (body, checksum(body)) for body in escaped)

    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]

    assert read(*pieces) == bodies


def test_an_interruption_between_packets_is_one():
    assert read(b"$g#67\x03$?#3f") == [b"g", Signal.INTERRUPT, b"?"]


def test_the_byte_of_an_interruption_within_a_packet_is_data():
    assert read(b"$X0,1:\x03#" + checksum(b"X0,1:\x03")) == [b"X0,1:\x03"]


def test_a_damaged_packet_is_not_taken():
    assert read(b"$g#68$?#3f") == [Signal.DAMAGED, b"?"]


def test_without_acknowledgement_checksums_do_not_count():
    reader = Reader()
    reader.acknowledges = False

    assert list(reader.feed(b"$g#00")) == [b"g"]


def test_a_request_for_the_reply_once_more():
    assert read(b"-") == [Signal.AGAIN]


def test_what_is_no_packet_is_skipped():
    assert read(b"+++ATH0 hello #12 $g#67") == [b"g"]


def test_a_packet_that_never_ends_takes_no_room():
    reader = Reader()

    items = [item for _ in range(1000) for item in reader.feed(b"$" + b"m" * 1000)]

    assert items == [Signal.TOO_LONG]
    assert len(reader._buffer) <= LONGEST + 1000
    assert list(reader.feed(b"#00$g#67")) == [b"g"]


def test_the_longest_packet_is_taken():
    body = b"m" * LONGEST

    assert read(b"$%b#%b" % (body, checksum(body))) == [body]
