"""The benchmark guests compute the same everywhere, and do as much work as they are asked for."""

import re

import pytest

from papvmm.machine.builder import build
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.guest import FOREVER
from papvmm.machine.outcome import PoweredOff
from papvmm.observe.bench.catalogue import CATALOGUE, Kind
from tests.guests.benchmarks import CHECKSUMS
from tests.guests.images import IMAGES
from tests.guests.qemu import run_on_qemu


def console_on_papvmm(image: str, append: str) -> str:
    kernel = File(image, (IMAGES / image).read_bytes())
    guest = build(MachineConfig(memory_size=256 << 20, kernel=kernel, append=append))
    guest.boot()
    console = bytearray()
    guest.console.output = console.extend
    assert guest.run(FOREVER) == PoweredOff()
    return console.decode()


def benchmark_on_papvmm(name: str, units: int) -> str:
    benchmark = CATALOGUE[name]
    return console_on_papvmm(benchmark.image, f"{benchmark.guest} n={units}")


def checksum(console: str) -> str:
    (found,) = re.findall(r": checksum (\w{16})\n", console)
    return found


def ticks(console: str) -> int:
    (found,) = re.findall(r": (\d+) ticks\n", console)
    return int(found)


@pytest.mark.oracle
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_benchmark_computes_on_qemu_what_is_expected_of_it(name):
    benchmark = CATALOGUE[name]
    options = ("-m", "256", "-append", f"{benchmark.guest} n=1")

    console = run_on_qemu(IMAGES / benchmark.image, *options)

    assert console.startswith(f"{benchmark.guest}: start\n")
    assert console.endswith(f"{benchmark.guest}: done\n")
    assert checksum(console) == CHECKSUMS[benchmark.guest]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_benchmark_computes_on_papvmm_what_it_does_on_qemu(name):
    console = benchmark_on_papvmm(name, units=1)

    assert checksum(console) == CHECKSUMS[CATALOGUE[name].guest]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, benchmark in CATALOGUE.items() if benchmark.kind is not Kind.EVENT]
)
def test_a_unit_of_computing_is_a_hundred_thousand_instructions_or_not_far_from_it(name):
    """512 ticks are 1000 instructions."""
    more = ticks(benchmark_on_papvmm(name, units=6)) - ticks(benchmark_on_papvmm(name, units=1))

    assert 50_000 <= more / 5 * 1000 / 512 <= 200_000


@pytest.mark.parametrize("order", ["be", "le"])
def test_a_guest_that_is_asked_for_no_benchmark_lists_them(order):
    console = console_on_papvmm(f"bench-{order}.elf", "n=3")

    assert console.partition("there are ")[2].split() == [
        benchmark.guest for benchmark in CATALOGUE.values() if benchmark.order == order
    ]
