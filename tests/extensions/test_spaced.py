"""How numbers are written for people: in one way, by one function."""

import re
from pathlib import Path

import pytest
from bowerbird.spaced import counted, spaced

MEMBERS = ("config", "hub", "fuse", "extensions", "services")


@pytest.mark.parametrize(("number", "written"), [(0, "0"), (999, "999"), (1000, "1\u2009000"), (-1_234_567, "-1\u2009234\u2009567")])
def test_thousands_are_apart_by_thin_spaces(number: int, written: str) -> None:
    assert spaced(number) == written


def test_one_is_no_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1\u2009000 rows"]


def test_no_other_place_sets_thousands_apart() -> None:
    root = Path(__file__).parents[2]
    files = [path for member in MEMBERS for path in (root / member).rglob("*.py")]
    others = [path for path in files if re.search(r":,[d}]|:_[d}]", path.read_text())]
    assert [path.name for path in others] == ["spaced.py"]
