"""Values: equal by class and fields, immutable, and not made of anything that does not fit."""

import pytest

from papvmm.values import Unique, Value


class Place(Value):
    gpa: int
    length: int = 8


class Other(Value):
    gpa: int
    length: int = 8


class Even(Value):
    number: int

    def __post_init__(self):
        super().__post_init__()
        if self.number % 2:
            raise ValueError("odd")


def test_values_are_equal_by_class_and_fields():
    assert Place(1) == Place(gpa=1, length=8) != Place(2)
    assert Place(1) != Other(1)
    assert len({Place(1), Place(1, 8), Other(1)}) == 2


def test_a_unique_value_is_equal_to_itself_only():
    class Cell(Unique):
        number: int

    one, other = Cell(1), Cell(1)

    assert one == one  # noqa: PLR0124 - that is the question
    assert one != other
    assert len({one, other}) == 2
    assert repr(one.replace(number=2)).endswith("Cell(number=2)")


def test_a_pattern_gives_fields_by_position():
    match Place(4096, 16):
        case Place(gpa, 16):
            found = gpa

    assert found == 4096


def test_a_value_stays_as_it_is_and_another_one_differs():
    place = Place(1)

    with pytest.raises(AttributeError, match="Place is immutable"):
        place.gpa = 2
    with pytest.raises(AttributeError, match="Place is immutable"):
        del place.gpa
    assert (place.replace(length=2), place) == (Place(1, 2), Place(1, 8))


@pytest.mark.parametrize(
    ("fields", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"size": 2}), ((), {"length": 1})]
)
def test_fields_that_do_not_fit_are_a_type_error(fields, named):
    with pytest.raises(TypeError, match=r"Place has (the|no more than 2) fields"):
        Place(*fields, **named)


def test_a_class_checks_its_fields_when_they_are_replaced_too():
    with pytest.raises(ValueError, match="odd"):
        Even(2).replace(number=3)


def test_a_value_prints_as_it_is_written():
    assert repr(Place(1)) == "Place(gpa=1, length=8)"
