"""Any tree survives flattening; any damage is a refusal."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papvmm.boot.image import Places, Range
from papvmm.errors import BadInput
from papvmm.papr.device_tree import pseries
from papvmm.papr.fdt import DeviceTree, Node, flatten, unflatten

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=31)
properties = st.dictionaries(names, st.binary(max_size=40), max_size=6)
nodes = st.recursive(
    st.builds(Node, names, properties, st.just([])),
    lambda children: st.builds(Node, names, properties, st.lists(children, max_size=4)),
    max_leaves=10,
)
reservations = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 2**64 - 1)), max_size=3
).map(tuple)
trees = st.builds(DeviceTree, nodes, reservations, st.integers(0, 2**32 - 1))


@given(tree=trees)
def test_flattening_loses_nothing(tree):
    assert unflatten("a.dtb", flatten(tree)) == tree


def outcome(blob: bytes) -> str:
    try:
        unflatten("a.dtb", blob)
    except BadInput as refusal:
        return str(refusal)
    return "read"


def test_a_mutated_tree_is_read_or_refused_in_one_line():
    generator = random.Random(1)
    places = Places(Range(0xFFF000, 0xFFF014), None)
    blob = flatten(pseries(1 << 24, (0, 1), "", places))
    outcomes = []
    for _ in range(3_000):
        mutant = bytearray(blob)
        for _ in range(generator.randint(1, 4)):
            at = generator.choice((generator.randrange(len(mutant)), generator.randrange(40)))
            mutant[at] = generator.choice((0, 1, 3, 9, 0x7F, 0xFF, generator.randrange(256)))
        outcomes.append(outcome(bytes(mutant[: generator.choice((len(mutant), at))])))

    refusals = {text for text in outcomes if text != "read"}
    assert "read" in outcomes
    assert refusals
    assert [text for text in refusals if not text.startswith("a.dtb ") or "\n" in text] == []


@pytest.mark.parametrize("size", [0, 3, 39, 40, 71])
def test_a_tree_cut_short_is_refused(size):
    blob = flatten(DeviceTree(Node("")))

    assert "a.dtb is" in outcome(blob[:size])
