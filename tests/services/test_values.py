"""Intervals and regions as DALI, SIA and SODA write them."""

import math

import pytest
from bowerbird_services.sky_regions import Circle, Interval, Polygon, Range
from bowerbird_services.vo.dali import Fault
from bowerbird_services.vo.values import circle, interval, polygon, position


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("1 2", 1, 2),
        (" 1e-7   2e-7 ", 1e-7, 2e-7),
        ("5", 5, 5),
        ("-Inf 2", -math.inf, 2),
        ("1 +Inf", 1, math.inf),
        ("1 inf", 1, math.inf),
        ("-Inf +Inf", -math.inf, math.inf),
        ("2 2", 2, 2),
    ],
)
def test_interval_has_both_ends(text: str, low: float, high: float) -> None:
    assert interval("BAND", text) == Interval(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1 2 3",
        "2 1",
        "NaN 1",
        "nan",
        "+Inf 1",
        "Inf",
        "-Inf",
        "-Inf -Inf",
        "1/2",
        "1,2",
        "1e400",
        "infinity 2",
        "1_0 2_0",
        "\u0661 \u0662",
        "0x1",
    ],
)
def test_what_is_no_interval_is_refused_by_name(text: str) -> None:
    with pytest.raises(Fault, match=r"^BAND is ") as caught:
        interval("BAND", text)
    assert caught.value.status == 400


def test_regions_are_read() -> None:
    assert position("POS", "CIRCLE 12.5 -34 0.5") == circle("CIRCLE", "12.5 -34 0.5") == Circle(12.5, -34, 0.5)
    assert position("POS", " CIRCLE\t12.5  -34\n0.5 ") == position("POS", "CIRCLE  12.5 -34 0.5") == Circle(12.5, -34, 0.5)
    assert position("POS", "circle 12.5 -34 0.5") == Circle(12.5, -34, 0.5)
    assert position("POS", "RANGE 12 13 -34 -33") == Range(Interval(12, 13), Interval(-34, -33))
    assert position("POS", "RANGE 0 360 -2 2").ra == Interval(0, 360)  # type: ignore[union-attr]  # it is a range
    assert position("POS", "RANGE 350 10 -Inf +Inf") == Range(Interval(350, 10), Interval(-90, 90))
    assert position("POS", "RANGE -Inf +Inf 89 +Inf") == Range(Interval(0, 360), Interval(89, 90))
    assert position("POS", "POLYGON 0 0 1 0 1 1") == polygon("POLYGON", "0 0 1 0 1 1") == Polygon((0, 0, 1, 0, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CIRCLE",
        "CIRCLE 1 2",
        "CIRCLE 1 2 3 4",
        "CIRCLE 1 91 1",
        "CIRCLE 361 0 1",
        "CIRCLE -1 0 1",
        "CIRCLE 1 2 0",
        "CIRCLE 1 2 -1",
        "CIRCLE 1 2 181",
        "CIRCLE nan 2 1",
        "CIRCLE inf 2 1",
        "CIRCLE 1 2 +Inf",
        "CIRCLE ICRS 1 2 3",
        "RANGE 1 2 3",
        "RANGE 1 2 4 3",
        "RANGE 1 2 nan 3",
        "RANGE 1 400 0 1",
        "POLYGON 1 2 3 4",
        "POLYGON 1 2 3 4 5",
        "POLYGON 1 2 3 4 5 96",
        "POLYGON " + "1 1 " * 1001,
        "BOX 1 2 3 4",
        "12 34 0.5",
        "'; DROP TABLE obscore; --",
    ],
)
def test_what_is_no_region_is_refused_by_name(text: str) -> None:
    with pytest.raises(Fault, match=r"^POS") as caught:
        position("POS", text)
    assert caught.value.status == 400
    assert len(str(caught.value)) < 200
