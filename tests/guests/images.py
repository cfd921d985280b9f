"""The images that papvmm ships."""

from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "papvmm" / "images"
GUESTS = sorted(path for path in IMAGES.glob("*.elf") if path.stem != "linux-init")


def image(name: str) -> Path:
    """Where the guest of that name is."""
    return IMAGES / f"{name}.elf"
