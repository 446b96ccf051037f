"""A few points on the sides of a square give the box of pixels that its whole outline gives."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from bowerbird import sky as outlines
from bowerbird.errors import OutsideImage
from bowerbird.fits_cards import Cards
from bowerbird.sky import Sky, read_sky
from bowerbird.stencil import Stencil, Stencils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extensions.skies import SCALE, SIP, TPV, Mosaic

PROJECTIONS: list[tuple[str, dict[str, float]]] = [
    *((name, {}) for name in ("TAN", "SIN", "STG", "ARC", "ZEA", "CAR", "MER", "SFL", "AIT", "MOL", "TSC", "CSC", "HPX", "XPH")),
    ("TAN-SIP", SIP),
    ("TPV", TPV),
    ("COE", {"PV2_1": 45.0, "PV2_2": 25.0}),
    ("SZP", {"PV2_1": 2.0, "PV2_2": 30.0, "PV2_3": 60.0}),
]


def sky_of(mosaic: Mosaic, scale: float = 1.0) -> Sky:
    """Return the sky of a mosaic whose pixels are so many times as large."""
    header = mosaic.header()
    for one, other in product("12", "12"):
        header[f"CD{one}_{other}"] *= scale
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, mosaic.shape[1], mosaic.shape[0]
    return read_sky(Cards.from_block(header.tostring().encode()), fits.HDUList)


def both(sky: Sky, squares: Stencils) -> tuple[list[Any], list[Any]]:
    """Return the boxes that few points and that whole outlines give."""
    few = [one.tolist() for one in sky.boxes(squares)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlines, "GENTLE", -1.0)
        whole = [one.tolist() for one in sky.boxes(squares)]
    return few, whole


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(PROJECTIONS),
    centre=st.sampled_from([(150.0, 2.0), (0.0, -60.0), (83.6, 89.9), (180.0, 0.0), (0.0, 0.0), (45.0, 41.8)]),
    turn=st.sampled_from([0.0, 20.0, 45.0, 137.0]),
    scale=st.sampled_from([1.0, 100.0, 6000.0]),
    side=st.floats(0.3, 200.0),
    seed=st.integers(0, 1000),
)
def test_few_points_give_the_same_boxes(kind, centre, turn, scale, side, seed) -> None:
    swapped = seed % 2 == 0 and "PV2_2" not in kind[1]
    sky = sky_of(Mosaic(centre=centre, projection=kind[0], cards=kind[1], turn=turn, swapped=swapped), scale)
    dice, spread = np.random.default_rng(seed), 300 * SCALE * scale
    longitude = (centre[0] + dice.uniform(-spread, spread, 40)) % 360
    latitude = np.clip(centre[1] + dice.uniform(-spread, spread, 40), -90, 90)
    sides = dice.uniform(0.5, 1.5, (2, 40)) * side * SCALE * scale
    squares = Stencils(longitude, latitude, np.minimum(sides[0], 360), np.minimum(sides[1], 360))
    few, whole = both(sky, squares)
    assert few == whole
    assert alone(sky, squares, 10) == list(zip(*(column[:10] for column in whole), strict=True))


def alone(sky: Sky, squares: Stencils, count: int) -> list[tuple[list[int], list[int], bool]]:
    """Return what becomes of the first squares when each is asked for alone."""
    made: list[tuple[list[int], list[int], bool]] = []
    for numbers in zip(squares.longitude, squares.latitude, squares.width, squares.height, strict=True):
        try:
            box = sky.box(Stencil(*map(float, numbers)))
            made.append((list(box.start), list(box.stop), True))
        except OutsideImage:
            made.append(([0, 0], [0, 0], False))
        if len(made) == count:
            break
    return made


@pytest.mark.parametrize("projection", ["TAN", "ZEA", "CAR"])
def test_squares_whose_sides_lie_on_the_edges_of_pixels(projection) -> None:
    sky = sky_of(Mosaic(projection=projection))
    grid = np.stack(np.meshgrid(np.arange(0, 200, 7.5), np.arange(0, 170, 7.5)), axis=-1).reshape(-1, 2)
    points = sky.points(grid)
    for side in (1, 2, 9, 30):
        sides = np.full(len(points), side * SCALE)
        squares = Stencils(points[:, 0], points[:, 1], sides, sides)
        few, whole = both(sky, squares)
        assert few == whole
        assert alone(sky, squares, 60) == list(zip(*(column[:60] for column in whole), strict=True))


def test_a_square_alone_takes_few_points_too(monkeypatch) -> None:
    sky = sky_of(Mosaic())
    wanted = sky.box(Stencil(150.0, 2.0, 30.3 * SCALE, 30.3 * SCALE))
    monkeypatch.setattr(Sky, "boxes", None)
    assert sky.box(Stencil(150.0, 2.0, 30.3 * SCALE, 30.3 * SCALE)) == wanted


def test_few_points_are_enough_for_nearly_all(monkeypatch) -> None:
    sky = sky_of(Mosaic())
    dice = np.random.default_rng(3)
    squares = Stencils(
        150 + dice.uniform(-1, 1, 500) * 80 * SCALE, 2 + dice.uniform(-1, 1, 500) * 80 * SCALE, *np.full((2, 500), 30 * SCALE)
    )
    drawn: list[int] = []
    whole = outlines._squares

    def watch(sides, steps, around, count):
        drawn.append(len(sides))
        return whole(sides, steps, around, count)

    monkeypatch.setattr(outlines, "_squares", watch)
    assert sky.boxes(squares)[2].all()
    assert sum(drawn) <= 5
