"""Run instruction vectors: python3 tools/vectors FILE[.gz] --accel python."""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from papvmm.engine.accel import ACCELERATORS
from papvmm.errors import BadInput
from tools.vectors.check import Checker, Verdict, read_vectors


def main() -> int:
    """Check every vector; print what failed and the totals."""
    parser = argparse.ArgumentParser(prog="tools/vectors", description=__doc__)
    parser.add_argument("file", type=Path, help="vectors, a JSON object a line, may end in .gz")
    parser.add_argument("--accel", choices=sorted(ACCELERATORS), default="python")
    arguments = parser.parse_args()
    try:
        checker = Checker(arguments.accel)
        results = [checker.check(vector) for vector in read_vectors(arguments.file)]
    except (BadInput, OSError) as error:
        print(f"tools/vectors: {error}", file=sys.stderr)
        return 2
    count = Counter(result.verdict for result in results)
    failed = [result for result in results if result.verdict is Verdict.FAILED]
    by_mnemonic = Counter(result.vector.mnemonic for result in failed)
    for mnemonic, number in sorted(by_mnemonic.items()):
        first = next(result for result in failed if result.vector.mnemonic == mnemonic)
        print(f"{mnemonic}: {number} failed; {first.vector.asm}: {'; '.join(first.complaints)}")
    print(
        f"{count[Verdict.PASSED]} passed, {count[Verdict.FAILED]} failed, "
        f"{count[Verdict.SKIPPED]} skipped"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
