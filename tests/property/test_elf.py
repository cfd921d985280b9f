"""Damaged ELF files are loaded or refused, quickly and in one line."""

import time
from importlib.resources import files

import pytest

from papvmm.boot.elf import LoadedImage, load_elf
from papvmm.boot.image import load_image
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import GuestMemory
from tests.elves import ET_DYN, Elf, Load, mutants

OPD = bytes.fromhex("0000000000010008 0000000000018000 0000000000000000")
ORIGINALS = [
    *(files("papvmm").joinpath(f"images/hello-{order}.elf").read_bytes() for order in ("be", "le")),
    Elf(
        [Load(0x10000, bytes(64) + OPD)],
        flags=1, entry=0x10040, opd=(0x10040, OPD), symbols=[("f", 0x10040, 24, 2, 1)],
    ).build(),
    Elf([Load(0), Load(0x100000, memsz=0x20000)], entry=0, type=ET_DYN, little=True).build(),
]  # fmt: skip
QUICK = 1.0


def attempt(blob: bytes) -> tuple[str, float]:
    """Load into 8 MiB and look for symbols; return the refusal or "loaded", and the seconds."""
    started = time.process_time()
    try:
        image: LoadedImage = load_elf("x.elf", blob)
        load_image(GuestMemory(8 << 20), image, None, bytes(20), lambda _: bytes(2000))
        image.find("printf")
        image.locate(image.entry)
        outcome = "loaded"
    except BadInput as refusal:
        outcome = str(refusal)
    return outcome, time.process_time() - started


@pytest.mark.parametrize(
    ("count", "seed"), [(1_500, 1), pytest.param(10_000, 2, marks=pytest.mark.slow)]
)
def test_a_mutated_elf_is_loaded_or_refused(count, seed):
    outcomes = [attempt(blob) for blob in mutants(ORIGINALS, count, seed)]

    texts = {text for text, _ in outcomes}
    assert "loaded" in texts
    assert len(texts) > 20
    assert [text for text in texts - {"loaded"} if not text.startswith("x.elf ")] == []
    assert [text for text in texts if "\n" in text] == []
    assert max(seconds for _, seconds in outcomes) < QUICK
