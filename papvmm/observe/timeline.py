"""The swim-lane timeline around the handover: who ran, and what the hypervisor stored meanwhile."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Final, NamedTuple

from papvmm.observe.exhibit import Names, Result
from papvmm.observe.markup import Node, node
from papvmm.observe.record import RunRecord, Spot, Store, Turn
from papvmm.observe.wording import AREA_TEXT, handover_text
from papvmm.trace.events import Registration
from papvmm.vpa.layout import Area

WIDTH: Final = 1080.0
LEFT: Final = 118.0
MIDDLE: Final = 500.0
"""Where the handover is."""
RIGHT: Final = 12.0
TOP: Final = 46.0
LANE: Final = 92.0
BLOCK: Final = 24.0
STORED: Final = {Area.VPA.name: 40.0, Area.DTL.name: 60.0}
"""Where in a lane the stores into an area are, below its top."""

SHORTEST: Final = 1000
"""Instructions on either side of the handover, at least."""

MILLION: Final = 1_000_000

SLIVER: Final = 1.0
"""Gaps between blocks that are narrower, in pixels, are not drawn."""

MARK_GAP: Final = 5.0
"""Stores nearer than this, in pixels, are drawn as one mark."""

WAITS: Final = {"cede": "ceded", "slice": "waits for its turn", "stop": "stopped", "reset": ""}


@dataclass(frozen=True, slots=True)
class Axis:
    """Which instructions are drawn, and where: the scale changes at a handover, if there is one."""

    start: int
    handover: int | None
    end: int

    def x(self, icount: int) -> float:
        """Return where a position is; positions outside are at the edges."""
        inside = min(max(icount, self.start), self.end)
        right = WIDTH - RIGHT
        if self.handover is None:
            return LEFT + (inside - self.start) * (right - LEFT) / (self.end - self.start)
        if icount < self.handover:
            return LEFT + (inside - self.start) * (MIDDLE - LEFT) / (self.handover - self.start)
        return MIDDLE + (inside - self.handover) * (right - MIDDLE) / (self.end - self.handover)

    def holds(self, icount: int) -> bool:
        """Tell whether a position is drawn."""
        return self.start <= icount <= self.end


def axis_of(results: Sequence[Result]) -> Axis:
    """Reach from before the first area was registered until the guests know what they say.

    The results have their handover in common. Without one, the end is where the run ends.
    """
    handover = results[0].record.handover
    end = max(result.looked for result in results)
    registered = (r.icount for result in results for r in result.record.registrations if r.gpa)
    middle = end if handover is None else handover.icount
    before = max(middle - min(registered, default=middle), SHORTEST)
    start = max(middle - before - before // 10, 0)
    if handover is None:
        return Axis(start, None, max(end, start + SHORTEST))
    return Axis(start, middle, max(middle + SHORTEST, end))


def height(vcpus: int) -> float:
    """Return the height of a timeline."""
    return TOP + vcpus * LANE + 34


def timeline(result: Result, names: Names, axis: Axis) -> Node:
    """Draw the lanes of all vcpus, the handover, the axis, and the first bad store."""
    record, vcpus = result.record, result.scene.config.vcpus
    return node(
        "g",
        *_ruler(axis, vcpus),
        *(part for vcpu_id in range(vcpus) for part in _lane(record, axis, vcpu_id)),
        *_handover(record, names, axis, vcpus),
        *_first_bad_store(result.corruption.first, axis),
    )


def _ruler(axis: Axis, vcpus: int) -> Iterator[Node]:
    bottom = TOP + vcpus * LANE
    parts = [_round_positions(axis.start, axis.end, 12)]
    if axis.handover is not None:
        parts = [
            _round_positions(axis.start, axis.handover, 5),
            _round_positions(axis.handover, axis.end, 7),
        ]
    for icount, step in ((i, part.step) for part in parts for i in part):
        x = axis.x(icount)
        yield node("line", x1=x, x2=x, y1=TOP - 4, y2=bottom, class_="rule")
        yield node(
            "text",
            f"@{icount // MILLION:,} M" if step % MILLION == 0 else f"@{icount:,}",
            x=x,
            y=bottom + 20,
            text_anchor="middle",
            class_="small dim mono",
        )


def _round_positions(start: int, end: int, most: int) -> range:
    """Return round numbers of instructions, at most ``most`` of them."""
    step = 1
    for step in (factor * 10**power for power in range(12) for factor in (1, 2, 5)):
        if (end - start) // step < most:
            break
    return range(-(-start // step) * step, end + 1, step)


def _lane(record: RunRecord, axis: Axis, vcpu_id: int) -> Iterator[Node]:
    y = TOP + vcpu_id * LANE
    yield node("text", f"vcpu{vcpu_id}", x=0, y=y + 18, class_="strong mono")
    for area, below in STORED.items():
        yield node("text", f"{AREA_TEXT[area]} stores", x=0, y=y + below + 4, class_="small dim")
        yield node("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y + below, y2=y + below, class_="rule")
    turns = [turn for turn in record.turns if turn.vcpu_id == vcpu_id]
    yield from _blocks(record, axis, turns, y)
    stores = [store for store in record.stores if store.write.vcpu_id == vcpu_id]
    yield from _marks(axis, stores, y)
    yield from _requests(record, axis, vcpu_id, y)


class Block(NamedTuple):
    """A vcpu runs from ``start`` to ``end``; ``why`` it stops."""

    start: int
    end: int
    why: str


def _blocks(record: RunRecord, axis: Axis, turns: Iterable[Turn], y: float) -> Iterator[Node]:
    handover = record.handover
    blocks = _joined(turns, axis, handover.icount if handover else record.end + 1)
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.end < axis.start or block.start > axis.end:
            continue
        x, end = axis.x(block.start), axis.x(block.end)
        old = handover is None or block.start < handover.icount
        kernel = "old-kernel" if old else "new-kernel"
        yield node(
            "rect",
            node("title", f"@{block.start:,} to @{block.end:,}, then {block.why}"),
            x=x, y=y, width=max(end - x, 1.5), height=BLOCK, rx=2, class_=kernel,
        )  # fmt: skip
        until = axis.x(following.start) if following else end
        if until - end > 3 and block.why != "reset":
            yield from _wait(end, until, y, WAITS.get(block.why, ""))


def _wait(x: float, until: float, y: float, text: str) -> Iterator[Node]:
    yield node("line", x1=x, x2=until, y1=y + BLOCK / 2, y2=y + BLOCK / 2, class_="waiting")
    if text and until - x > 9 * len(text):
        middle = (x + until) / 2
        yield node("text", text, x=middle, y=y + 8, text_anchor="middle", class_="small dim")


def _joined(turns: Iterable[Turn], axis: Axis, handover: int) -> list[Block]:
    """Join turns that follow each other without a pause to be seen, but for a handover."""
    blocks: list[Block] = []
    for turn in turns:
        if blocks and turn.start != handover and _touch(axis, blocks[-1].end, turn.start):
            blocks[-1] = Block(blocks[-1].start, turn.end, turn.why)
        else:
            blocks.append(Block(turn.start, turn.end, turn.why))
    return blocks


def _touch(axis: Axis, end: int, start: int) -> bool:
    return end == start or axis.x(start) - axis.x(end) < SLIVER


def _marks(axis: Axis, stores: Iterable[Store], y: float) -> Iterator[Node]:
    shown = [store for store in stores if axis.holds(store.write.icount)]

    def place(store: Store) -> tuple[bool, str, int]:
        slot = int(axis.x(store.write.icount) / MARK_GAP)
        return store.foreign, store.write.area, slot

    for (foreign, area, _), group in groupby(sorted(shown, key=place), key=place):
        together = list(group)
        write = together[0].write
        x, middle = axis.x(write.icount), y + STORED[area]
        title = node("title", f"{len(together)} stores from @{write.icount:,}: {write.field} …")
        if foreign:
            cross = f"M{x - 4:.1f} {middle - 4:.1f}l8 8m0 -8l-8 8"
            yield node("path", title, d=cross, class_="foreign-tick")
        else:
            yield node("circle", title, cx=x, cy=middle, r=2.2, class_="own")


def _requests(record: RunRecord, axis: Axis, vcpu_id: int, y: float) -> Iterator[Node]:
    """Draw where the vcpu's areas were registered and unregistered, and what came of it."""
    for registration in record.registrations:
        if registration.vcpu_id != vcpu_id or registration.area not in STORED:
            continue
        x, middle = axis.x(registration.icount), y + STORED[registration.area]
        if not axis.holds(registration.icount):
            continue
        if registration.gpa:
            title = node("title", f"{registration.door} @{registration.icount:,}")
            flag = f"M{x:.1f} {middle + 7:.1f}v-14l9 4l-9 4"
            yield node("path", title, d=flag, class_="flag")
            yield from _flow(record, axis, registration, x, middle)
        else:
            yield node(
                "circle",
                node("title", f"unregistered by {registration.door} @{registration.icount:,}"),
                cx=x, cy=middle, r=5, class_="unregistered",
            )  # fmt: skip


def _flow(
    record: RunRecord, axis: Axis, registration: Registration, x: float, y: float
) -> Iterator[Node]:
    """Draw an arrow from a registration to the first foreign store it leads to."""
    for store in record.stores:
        if store.foreign and store.write.registration == registration:
            end = axis.x(store.write.icount) - 6
            if axis.holds(store.write.icount):
                bend = f"M{x:.1f} {y + 7:.1f}C{x + 30:.1f} {y + 17:.1f} {end - 40:.1f}"
                path = f"{bend} {y + 15:.1f} {end:.1f} {y + 3:.1f}"
                yield node("path", d=path, class_="flow", marker_end="url(#arrow)")
            return


def _handover(record: RunRecord, names: Names, axis: Axis, vcpus: int) -> Iterator[Node]:
    handover = record.handover
    yield node("text", names.before, x=LEFT, y=TOP - 8, class_="old-name")
    if handover is None:
        return
    x = axis.x(handover.icount)
    right, end = WIDTH - RIGHT, "end"
    yield node("text", names.after, x=right, y=TOP - 8, text_anchor=end, class_="new-name")
    yield node("line", x1=x, x2=x, y1=TOP - 20, y2=TOP + vcpus * LANE, class_="handover")
    name = f"{handover_text(handover)} @{handover.icount:,}"
    yield node("text", name, x=x, y=TOP - 26, text_anchor="middle", class_="strong")


def _first_bad_store(hit: Spot | None, axis: Axis) -> Iterator[Node]:
    """Point at the first store that changed what the next kernel had put into its memory."""
    if hit is None:
        return
    write = hit.first
    x = axis.x(write.icount)
    y = TOP + write.vcpu_id * LANE + STORED[write.area]
    yield node("line", x1=x, x2=x, y1=TOP - 12, y2=y - 7, class_="foreign-tick")
    text = f"first bad store @{write.icount:,}"
    yield node("text", text, x=x + 6, y=TOP - 5, class_="small strong bad")


ARROW: Final = node(
    "defs",
    node(
        "marker",
        node("path", d="M0 0L7 3.5L0 7z", class_="foreign"),
        id="arrow", markerWidth=7, markerHeight=7, refX=6, refY=3.5, orient="auto",
    ),
)  # fmt: skip
"""The arrow's head; a document with timelines holds it once."""
