"""The picture of the sky: each row where it is, RA to the left, and colours that both schemes have."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bowerbird_services.pages import sky
from bowerbird_services.store import coverage
from bowerbird_services.store.coverage import Coverage

from tests.support.shelves import put


def drawn(root: Path, ra: list[float], dec: list[float]) -> str:
    table = put(root, ("demo", "dr1"), "stars", pa.table({"ra": ra, "dec": dec}))
    coverage.write(table.files[0])
    counted = coverage.read(table.files[0])
    assert counted is not None
    return sky.picture(counted, "demo_dr1.stars")


def cells(picture: str) -> set[tuple[int, int]]:
    """Return the coloured cells of a picture."""
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1H\d+z", picture)
    return {(int(x) + step, int(y)) for x, y, length in runs for step in range(int(length))}


# x and y of Mollweide's projection, by its formula: at the equator it needs no iteration.
PLACES = [(180.0, 0.0, 180, 90), (90.0, 0.0, 270, 90), (270.0, 0.0, 90, 90)]


@pytest.mark.parametrize(("ra", "dec", "x", "y"), PLACES)
def test_row_is_drawn_where_it_is(tmp_path: Path, ra: float, dec: float, x: int, y: int) -> None:
    found = np.array(sorted(cells(drawn(tmp_path, [ra], [dec]))))
    assert len(found)
    assert np.abs(found - (x, y)).max(axis=1).min() <= 2
    assert np.ptp(found[:, 1]) <= 10


@pytest.mark.parametrize(("dec", "edge"), [(89.9, 0), (-89.9, 179)])
def test_row_at_a_pole_is_drawn_at_the_edge_on_its_side(tmp_path: Path, dec: float, edge: int) -> None:
    found = np.array(sorted(cells(drawn(tmp_path, [1.0], [dec]))))
    assert np.abs(found[:, 1] - edge).max() <= 4
    assert found[:, 0].min() >= 180


def test_more_rows_have_another_colour_and_the_legend_says_how_many(tmp_path: Path) -> None:
    picture = drawn(tmp_path, [10.0] * 1000 + [200.0], [20.0] * 1000 + [-40.0])
    assert {"sky-0", "sky-5"} == set(re.findall(r'<path class="(sky-\d)"', picture))
    assert "from 0.074 to 74 rows per square degree" in picture
    assert "less than 1 %" in picture


def test_legend_writes_large_numbers_as_all_pages_do() -> None:
    assert "about 120\u2009000 rows per square degree" in sky.picture(Coverage({77: 1_650_000}), "demo_dr1.stars")


def test_table_without_a_row_has_a_picture_of_an_empty_sky() -> None:
    picture = sky.picture(Coverage({}), "demo_dr1.stars")
    assert not cells(picture)
    assert "No row has a position." in picture


def test_whole_sky_is_drawn_in_less_than_a_hundred_kilobytes() -> None:
    picture = sky.picture(Coverage({pixel: 1 + pixel % 97 for pixel in range(coverage.PIXELS)}), "demo_dr1.stars")
    assert len(cells(picture)) == pytest.approx(np.pi * 180 * 90, rel=0.01)
    assert len(picture) < 100_000


def test_both_schemes_have_every_colour() -> None:
    light, dark = sky.STYLE.split("@media")
    assert all(f"--sky-{level}:#" in scheme for level in range(sky.LEVELS) for scheme in (light, dark))
