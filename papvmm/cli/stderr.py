"""What papvmm itself has to say: lines on stderr, never among the guest's."""

import sys


def complain(message: str) -> None:
    """Print one line."""
    print(f"papvmm: {message}", file=sys.stderr)
