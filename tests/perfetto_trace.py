"""Traces as Perfetto's own protocol buffers read them."""

from typing import NamedTuple

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent


class Event(NamedTuple):
    """A TrackEvent with its names looked up; ``args`` are its annotations."""

    time: int
    type: int
    track: int
    name: str
    args: dict
    flows: tuple
    last: tuple
    value: int


class Slice(NamedTuple):
    """A slice with what is within it at ``depth``, outermost 0; ``end`` None: never ended."""

    track: int
    name: str
    begin: int
    end: int | None
    depth: int
    args: dict


class ReadTrace:
    """A parsed trace: ``tracks`` are descriptors by number, ``events`` in the order written."""

    def __init__(self, data):
        self.tracks, self.events = {}, []
        names, keys = {}, {}
        for packet in Trace.FromString(data).packet:
            for entry in packet.interned_data.event_names:
                names[entry.iid] = entry.name
            for entry in packet.interned_data.debug_annotation_names:
                keys[entry.iid] = entry.name
            if packet.HasField("track_descriptor"):
                descriptor = packet.track_descriptor
                assert descriptor.uuid not in self.tracks
                assert not descriptor.parent_uuid or descriptor.parent_uuid in self.tracks
                self.tracks[descriptor.uuid] = descriptor
            if packet.HasField("track_event"):
                self.events.append(_event(packet.timestamp, packet.track_event, names, keys))

    def track(self, name):
        (found,) = [uuid for uuid, d in self.tracks.items() if d.name == name]
        return found

    def on(self, name):
        """The events on the track of this name."""
        track = self.track(name)
        return [event for event in self.events if event.track == track]

    def slices(self, name):
        """The slices on a track, in order of their beginnings; each END must have a BEGIN."""
        open_, done = [], []
        for event in self.on(name):
            if event.type == TrackEvent.TYPE_SLICE_BEGIN:
                open_.append(event)
            if event.type == TrackEvent.TYPE_SLICE_END:
                begun = open_.pop()
                done.append(_slice(begun, event.time, len(open_)))
        done += [_slice(begun, None, depth) for depth, begun in enumerate(open_)]
        return sorted(done, key=lambda slice_: (slice_.begin, slice_.depth))


def _slice(begun, end, depth):
    return Slice(begun.track, begun.name, begun.time, end, depth, begun.args)


def _event(time, event, names, keys):
    args = {keys[a.name_iid]: getattr(a, a.WhichOneof("value")) for a in event.debug_annotations}
    name = names[event.name_iid] if event.name_iid else event.name
    return Event(
        time, event.type, event.track_uuid, name, args, tuple(event.flow_ids),
        tuple(event.terminating_flow_ids), event.counter_value,
    )  # fmt: skip
