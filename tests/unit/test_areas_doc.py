"""docs/areas.md tells the rules that papvmm/vpa/levels.py holds."""

from enum import Enum
from pathlib import Path
from typing import get_type_hints

from papvmm.vpa.levels import LEVELS, NOT_MODELLED, Level, Rule

DOC = Path(__file__).parent.parent.parent / "docs" / "areas.md"


def answer(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case frozenset():
            return ", ".join(sorted(area.name for area in value)) or "none"
        case _:
            return str(value)


def columns() -> dict[str, Rule]:
    hints = get_type_hints(Level, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in Level.__match_args__ if name != "name"}


def table() -> str:
    rows = [("rule", *LEVELS, "read in"), ("---",) * (len(LEVELS) + 2)]
    for name, rule in columns().items():
        answers = [answer(getattr(level, name)) for level in LEVELS.values()]
        rows.append((rule.question, *answers, rule.source))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_table_in_the_essay_is_the_one_in_the_code():
    assert table() in DOC.read_text()


def test_every_column_says_what_it_asks_and_where_the_answers_are_from():
    assert all(rule.question and rule.source for rule in columns().values())


def test_the_essay_names_what_is_not_modelled():
    text = " ".join(DOC.read_text().split())

    assert all(what in text and then in text for what, then in NOT_MODELLED.items())


def test_no_column_is_the_same_at_every_level():
    for name in columns():
        assert len({getattr(level, name) for level in LEVELS.values()}) > 1, name
