"""The images that papvmm ships."""

from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "papvmm" / "images"
GUESTS = sorted(IMAGES.glob("*.elf"))


def image(name: str) -> Path:
    """Where the guest of that name is."""
    return IMAGES / f"{name}.elf"
