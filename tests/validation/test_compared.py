"""Rows and sections of docs/validation.md, and how cases are counted."""

import pytest

from validation.compared import Row, Section, disagreeing
from validation.held import held


def test_a_row_agrees_up_to_what_is_allowed() -> None:
    row = Row("goodput", "no line", 101.0, 100.0, "by hand", "Gb/s").within(1.0, "chosen")
    assert row.cells[2:6] == ["101 Gb/s", "100 Gb/s", "+1 %", "1 %, chosen"]
    assert row.agrees
    assert disagreeing([row]) == ""
    assert not Row("goodput", "no line", 98.9, 100.0, "by hand").within(1.0, "").agrees


def test_a_row_is_exact_unless_said_otherwise() -> None:
    row = Row("drops", "no line", 1_000, 0, "by hand")
    assert row.cells[2:6] == ["1,000", "0", "+1e+3", "exact"]
    assert "| drops | no line |" in disagreeing([row])


def test_a_section_shows_a_source_once() -> None:
    rows = [Row(what, "", 0, 0, "by hand") for what in ("a", "b")]
    text = Section("Two", "Text.", lambda: rows).markdown()
    assert text.startswith("## Two\n\nText.\n\n| what | conditions | ")
    assert text.endswith(
        "| a |  | 0 | 0 | 0 | exact | predicted | by hand |\n"
        '| b |  | 0 | 0 | 0 | exact | predicted | " |\n'
    )


def test_a_difference_is_shown_as_it_is_where_all_of_theirs_is_allowed() -> None:
    row = Row("timeouts", "", 1, 0.03, "a formula").within(0.97, "99.9 % of samples")
    assert row.cells[2:6] == ["1", "0.03", "+0.97", "0.97, 99.9 % of samples"]
    assert row.agrees


@pytest.mark.parametrize("c", [0, 1])
@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 2), (3, 2)])
def not_above(a: int, b: int, c: int) -> None:
    assert a + c <= b


def test_cases_in_which_a_test_holds_are_counted() -> None:
    """1 + 0, 1 + 1 and 2 + 0 are not above 2; 2 + 1, 3 + 0 and 3 + 1 are."""
    assert held(not_above) == (3, 6)
