"""Measure an engine on some loops: python3 tools/bench [--accel NAME]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from papvmm.engine.accel import ACCELERATORS
from tools.bench.loops import LOOPS, mips


def main() -> None:
    """Print million instructions a second, best of three runs of each loop."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--accel", choices=sorted(ACCELERATORS), default="python")
    arguments = parser.parse_args()
    for name in LOOPS:
        best = max(mips(name, arguments.accel) for _ in range(3))
        print(f"{name:24} {best:7.2f} MIPS")


if __name__ == "__main__":
    main()
