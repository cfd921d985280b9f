"""Each guest on QEMU, which shares no line of code with papvmm."""

import pytest

from tests.guests.images import image
from tests.guests.qemu import run_on_qemu

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(("name", "order"), [("hello-be", "big"), ("hello-le", "little")])
def test_hello(name, order):
    console = run_on_qemu(image(name), "-smp", "2", "-append", "one two=3")

    assert console == (
        f"hello from a {order}-endian guest\n"
        "device tree: 2 cpus, time base 512 MHz\n"
        "bootargs: one two=3\n"
        "slept in H_CEDE: 1 decrementer interrupt, time has passed\n"
        "goodbye\n"
    )
