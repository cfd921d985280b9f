"""A sparkline: how often the hypervisor stored into a vcpu's areas, over a whole run."""

from collections.abc import Iterator
from typing import Final

from papvmm.observe.activity import BINS, Activity
from papvmm.observe.markup import Node, node

WIDTH: Final = 420
HEIGHT: Final = 44.0
BAR: Final = WIDTH / BINS


def sparkline(activity: Activity, most: int) -> Node:
    """Draw an activity; a bar of ``most`` stores is as high as the picture."""
    return node(
        "svg",
        node("line", x1=0, x2=WIDTH, y1=HEIGHT + 0.5, y2=HEIGHT + 0.5, class_="rule"),
        *_bars(activity, most),
        viewBox=f"0 0 {WIDTH} {HEIGHT + 1:g}",
        role="img",
        class_="sparkline",
    )


def _bars(activity: Activity, most: int) -> Iterator[Node]:
    for index, (own, foreign) in enumerate(zip(activity.own, activity.foreign, strict=True)):
        y = HEIGHT
        for count, name in ((own, "own"), (foreign, "foreign")):
            if count:
                bar = max(count * HEIGHT / most, 2.0)
                y -= bar
                yield node("rect", x=index * BAR, y=y, width=BAR - 0.6, height=bar, class_=name)
