"""A result in a few words."""

from papvmm.observe.exhibit import Result


def headline(result: Result) -> str:
    """Return the verdict."""
    if result.doubt:
        return "? not to be trusted"
    if result.crashed:
        return "✗ host crashed"
    if result.resumption is not None:
        return "✗ areas lost" if result.lost else "✓ areas carried along"
    words = len(result.corruption.gpas)
    if words:
        return f"✗ {words} words corrupted"
    return "✓ memory intact" if result.record.handover else "✓ unharmed"


def is_bad(result: Result) -> bool:
    """Tell whether the verdict is bad news."""
    return bool(result.doubt) or result.harmed
