"""The picture of the sky that images cover: all of it, and the largest part from near, north up and east at the left."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from bowerbird_services.pages import footprint
from defusedxml.ElementTree import fromstring

from tests.support.surveys import cone

SIDE = 180


def parts(picture: str) -> tuple[str, str]:
    """Return the paths of all of the sky, and of the part from near."""
    whole, _, near = picture.partition("<g transform")
    return whole, near


def covered(path: str) -> np.ndarray:
    """Return x and y of the coloured cells."""
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1H\d+z", path)
    return np.array([(int(x) + step, int(y)) for x, y, length in runs for step in range(int(length))])


def test_a_cone_is_round_from_near_and_fills_the_square() -> None:
    _, near = parts(footprint.picture(cone(), "demo"))
    cells = covered(near)
    assert np.abs(cells.mean(axis=0) - SIDE / 2).max() < 2
    across = np.ptp(cells, axis=0) + 1
    assert np.abs(across - SIDE / 1.15).max() < 8
    assert len(cells) == pytest.approx(np.pi / 4 * across[0] * across[1], rel=0.03)


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.0, 0.0), (30.0, -75.0)])
def test_north_is_up_and_east_at_the_left(ra: float, dec: float) -> None:
    stretch = 1 / np.cos(np.radians(dec))
    east, north = cone((ra + 0.1 * stretch) % 360, dec, 0.05), cone(ra, dec + 0.1, 0.02)
    bridge = cone((ra + 0.05 * stretch) % 360, dec, 0.06).union(cone(ra, dec + 0.05, 0.06))
    cells = covered(parts(footprint.picture(east.union(bridge).union(north), "demo"))[1])
    left, right = cells[:, 0].min(), cells[:, 0].max()
    # The heavy end lies to the east; what reaches north is light.
    assert cells[cells[:, 0] < (left + right) / 2][:, 1].mean() > cells[cells[:, 0] >= (left + right) / 2][:, 1].mean()


def test_of_images_far_apart_the_largest_part_is_seen_from_near_and_all_on_the_sky() -> None:
    both = cone(90.0, 0.0, 0.3).union(cone(270.0, 0.0, 0.1))
    whole, near = parts(footprint.picture(both, "demo"))
    cells = covered(whole)
    assert {round(x / 90) * 90 for x, _ in cells} == {90, 270}
    assert "around" in near
    assert "90.0000 " in near


def test_a_large_part_of_the_sky_has_no_picture_from_near() -> None:
    assert parts(footprint.picture(cone(10, 80, 45), "demo"))[1] == ""


def test_the_picture_alone_is_an_svg_file_of_both_schemes() -> None:
    drawn = footprint.alone(cone(), "<demo>")
    root: ET.Element = fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].text == "Where on the sky the images of <demo> are. The images cover 114 square arcminutes."
    assert "prefers-color-scheme:dark" in drawn
