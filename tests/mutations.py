"""Damage, at random but repeatable: to bytes, and to JSON that stays JSON."""

import copy

STRANGE = (
    None, True, False, 0, 1, -1, 3, 1 << 31, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 200, 1.5, -0.0,
    "", "0", "0x", "0x1", "0xffffffffffffffff", "0x10000000000000000", "ram", "\ud800", "\0",
    [], {}, [0], {"": None}, [[[[]]]], "x" * 5000,
)  # fmt: skip


def damaged(data, generator):
    """Return bytes with one to three things wrong."""
    data = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(data) + 1)
        match generator.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << generator.randrange(8)
            case 1 if at < len(data):
                data[at] = generator.randrange(256)
            case 2:
                data[at:at] = generator.randbytes(generator.randrange(1, 9))
            case 3:
                del data[at : at + generator.randrange(1, 9)]
            case 4:
                del data[at:]
            case _:
                there = generator.randrange(len(data) + 1)
                data[at:at] = data[there : there + generator.randrange(1, 99)]
    return bytes(data)


def twisted(value, generator):
    """Return JSON in which one value is another, is missing, or is there under another name."""
    value = copy.deepcopy(value)
    holder, key = generator.choice(list(_places(value)))
    match generator.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[generator.choice(("", "x", "vcpu"))] = holder.pop(key)
        case 2:
            other, other_key = generator.choice(list(_places(value)))
            holder[key] = copy.deepcopy(other[other_key])
        case _:
            holder[key] = generator.choice(STRANGE)
    return value


def _places(value):
    """Return where in JSON a value can be replaced: its container and its key there."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
