"""docs/scenario.md, which is made from the models."""

from pathlib import Path

from wanrdma.scenario.json_schema import json_schema
from wanrdma.scenario.reference import page

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_is_up_to_date():
    made_anew = "python -m wanrdma.scenario.reference > docs/scenario.md"
    assert (DOCS / "scenario.md").read_text(encoding="utf-8") == page(), made_anew


def test_every_key_is_on_it():
    schema = json_schema()
    text = page()
    for part in (schema, *schema["$defs"].values()):
        for key, field in part["properties"].items():
            row = f"| `{key}` | {field['description']} | "
            assert row.replace("|", "") in text.replace("|", "")
            assert text.count(field.get("x-source", "")) > 0


def test_no_row_says_nothing_of_what_is_allowed():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [
        row for row in rows if len(row.split(" | ")) != 6 or not row.split(" | ")[3].strip()
    ]
