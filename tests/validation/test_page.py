"""docs/validation.md, which is made from the rows that the tests compare."""

import pytest

from validation.bifrost_figure import image
from validation.compared import disagreeing
from validation.page import MISSING, PAGE, ROOT, SECTIONS, introduction, parts

pytestmark = pytest.mark.validation

MADE_ANEW = "python -m tests.validation > docs/validation.md"


def on_the_page() -> list[str]:
    return parts(PAGE.read_text(encoding="utf-8"))


def test_introduction_headings_and_end_are_up_to_date() -> None:
    first, *sections, last = on_the_page()
    assert (first, last) == (introduction(), MISSING), MADE_ANEW
    headings = [section.partition("\n")[0] for section in sections]
    assert headings == [f"## {section.title}" for section in SECTIONS], MADE_ANEW


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SECTIONS)), ids=lambda n: SECTIONS[n].title)
def test_a_section_agrees_and_is_up_to_date(number: int) -> None:
    """One test a section, so that no two processes make the same long runs."""
    assert disagreeing(SECTIONS[number].rows()) == ""
    assert on_the_page()[1 + number] == SECTIONS[number].markdown(), MADE_ANEW


@pytest.mark.slow
def test_the_picture_of_bifrosts_knees_is_up_to_date() -> None:
    made_anew = "python -m tests.validation.bifrost_figure docs/bifrost-knee.svg"
    assert (ROOT / "docs/bifrost-knee.svg").read_bytes() == image("svg"), made_anew
