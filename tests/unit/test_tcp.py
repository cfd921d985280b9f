"""TCP ports, as people write them."""

import pytest

from papvmm.control.tcp import Place, listen, parse_place
from papvmm.errors import BadInput


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (":1234", Place("127.0.0.1", 1234)), ("host:0", Place("host", 0)),
        ("[::1]:65535", Place("::1", 65535)), ("10.0.0.1:80", Place("10.0.0.1", 80)),
    ],
)  # fmt: skip
def test_a_host_and_a_port(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "1234", "host", "host:", "::1:80", "[]:1", "[::1]", "a:b:1", ":65536", ":-1", ":٣"]
)
def test_what_is_no_port_of_a_host(text):
    assert parse_place(text) is None


@pytest.mark.parametrize("host", ["0.0.0.1", "a" * 64 + "\xe9", ".."])
def test_a_host_that_is_not_this_one_is_one_line(host):
    with pytest.raises(BadInput, match=r"^tcp:[^\n]+:0: [^\n]+$"):
        listen(host, 0, 1)
