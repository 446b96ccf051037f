"""Images of a platform whose files are not here: found, linked and cut by its own services, as whoever asks may."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from bowerbird.errors import BadArgument
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, fill_with_axes, gallery, image, ingest
from tests.support.sessions import forget

# What anyio and Starlette import late is imported here: pytest rewrites it, and Python 3.11's parser fails deep in another thread.
OPEN_FILE = anyio.open_file
M13 = (250.4, 36.46)
SIZE = "0.096 deg"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery"), before=fill_with_axes) as found:
        yield found


@pytest.fixture(autouse=True)
def platform(shown: Gallery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{shown.address}/tap")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-member")
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    forget()
    yield
    forget()


def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    forget()


def test_who_may_read_a_release_finds_its_images_and_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = set(bowerbird.images(M13, "1 arcmin")["obs_publisher_did"])
    nobody(monkeypatch)
    open_to_all = set(bowerbird.images(M13, "1 arcmin")["obs_publisher_did"])
    assert {str(DID("demo", "dr1", "m13.fits"))} == open_to_all
    assert own - open_to_all == {str(DID("demo", "dr2", "secret.fits")), str(DID("demo", "dr3", "next.fits"))}


def test_found_linked_and_cut_with_the_pixels_of_the_file(shown: Gallery) -> None:
    found = bowerbird.images(M13, "1 arcmin", collection="demo/dr1", kind="image")
    assert len(found) == 1
    linked = bowerbird.links(found[0])
    assert {"#this", "#cutout"} <= set(linked["semantics"])
    at = np.array([M13, (250.2, 36.3), (250.75, 36.2), (251.4, 36.46)])
    for name in ("obs_publisher_did", "access_url"):
        there = bowerbird.cutouts(at, SIZE, str(found[name][0]))
        here = bowerbird.cutouts(at, SIZE, shown.releases / "demo/dr1/m13.fits")
        assert [bool(cut) for cut in there["cutout"]] == [True, True, True, False]
        for one, other in zip(here["cutout"][:3], there["cutout"][:3], strict=True):
            np.testing.assert_array_equal(other.data, one.data)
            assert [other.header[card] for card in ("CRPIX1", "CRPIX2", "CRVAL1")] == [
                one.header[card] for card in ("CRPIX1", "CRPIX2", "CRVAL1")
            ]
        assert "outside the image" in there["reason"][3]


def test_a_collection_is_named_as_cutouts_take_it(tmp_path: Path) -> None:
    open_ones = [{"collection": "demo", "release": name, "path": name} for name in ("dr1", "dr2")]
    closed = {"collection": "far", "release": "dr1", "sentence": "Reading release far/dr1 is refused: it is closed."}
    (tmp_path / ".view.json").write_text(json.dumps({"releases": [*open_ones, closed]}))
    found = {name: len(bowerbird.images(M13, "1 arcmin", collection=name)) for name in ("demo", "demo/dr1", "demo/dr2")}
    assert found == {"demo": 2, "demo/dr1": 1, "demo/dr2": 1}
    with pytest.raises(BadArgument, match=r"'dmo' is neither a collection nor a release.*collections: demo, far"):
        bowerbird.images(M13, "1 arcmin", collection="dmo")
    with pytest.raises(bowerbird.Refused, match="far/dr1 is refused"):
        bowerbird.images(M13, "1 arcmin", collection="far")
    with pytest.raises(BadArgument, match="limit is -1"):
        bowerbird.images(M13, "1 arcmin", limit=-1)


def test_a_cube_is_cut_along_the_sky_alone(shown: Gallery) -> None:
    at, size = [(53.1, -27.8)], "0.05 deg"
    there = bowerbird.cutouts(at, size, str(DID("demo", "dr1", "cube.fits")))
    np.testing.assert_array_equal(there["cutout"][0].data, bowerbird.cutout(shown.releases / "demo/dr1/cube.fits", at[0], size)[0].data)


@pytest.mark.parametrize("planes", [2, 3])
def test_a_cube_is_cut_along_a_band_where_it_is_as_here(shown: Gallery, planes: int) -> None:
    at, size, here = [(53.1, -27.8)], "0.05 deg", shown.releases / "demo/dr1/cube.fits"
    header = fits.getheader(here)
    first, step = header["CRVAL3"], header.get("CDELT3", header.get("CD3_3"))
    band = [u.Quantity(first + (0.6 + number) * step, header["CUNIT3"]) for number in (0, planes - 1)]
    there = bowerbird.cutouts(at, size, str(DID("demo", "dr1", "cube.fits")), band=band)
    assert there["cutout"][0].data.shape[0] == planes
    np.testing.assert_array_equal(there["cutout"][0].data, bowerbird.cutout(here, at[0], size, band=band)[0].data)
    (reason,) = bowerbird.cutouts(at, size, str(DID("demo", "dr1", "cube.fits")), band=("1 pm", "2 pm"))["reason"]
    assert reason == "the region or the band is outside the image"


def test_an_image_of_another_filter_or_without_wavelengths_is_refused_there_as_here(shown: Gallery) -> None:
    for band in ("no such filter", ("400 nm", "700 nm")):
        there = bowerbird.cutouts([M13], SIZE, str(DID("demo", "dr1", "m13.fits")), band=band)
        here = bowerbird.cutouts([M13], SIZE, shown.releases / "demo/dr1/m13.fits", band=band)
        assert there["reason"][0].partition(": ")[2] == here["reason"][0].partition(": ")[2] != ""


def test_a_name_with_blanks_and_signs_is_the_name_of_one_file(shown: Gallery) -> None:
    there = bowerbird.cutouts([(0.1, -5.0)], "0.1 deg", str(DID("demo", "dr1", "images/a b+c.fits")))
    here = bowerbird.cutout(shown.releases / "demo/dr1/images/a b+c.fits", (0.1, -5.0), "0.1 deg")
    np.testing.assert_array_equal(there["cutout"][0].data, here[0].data)


def test_what_is_closed_says_why_and_what_is_hidden_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody(monkeypatch)
    dids = [str(DID("demo", *name)) for name in (("dr3", "next.fits"), ("dr2", "secret.fits"), ("dr1", "nothing.fits"))]
    made = bowerbird.cutouts([M13] * 3, SIZE, dids)
    assert list(made["cutout"]) == [None] * 3
    closed, hidden, absent = made["reason"]
    assert "2100-01-01" in closed
    assert "craft@example.org" in closed
    assert "2100" not in hidden
    assert hidden.replace("secret", "nothing").replace("dr2", "dr1") == absent


LAYERS = str(DID("demo", "dr1", "layers.fits"))


@pytest.mark.parametrize(
    "hdu",
    [
        None,
        [None],
        [None, None],
        "STAT",
        "stat",
        2,
        ("STAT", 1),
        ["DATA", "STAT", "DQ"],
        ("DATA", "DQ"),
        [3, 1],
        ["DATA", 3, ("STAT", 1)],
        ["STAT"],
        "*",
        ["DQ"],
        "X",
        9,
        [],
    ],
)
def test_hdus_are_chosen_there_as_here(shown: Gallery, hdu: Any) -> None:
    at, here = [(150.0, 2.0), (150.2, 2.1), (10.0, 2.0)], shown.releases / "demo/dr1/layers.fits"
    if hdu == []:
        with pytest.raises(ValueError, match="empty list"):
            bowerbird.cutouts(at, SIZE, LAYERS, hdu=hdu)
        return
    there, local = (bowerbird.cutouts(at, SIZE, image, hdu=hdu)["cutout"] for image in (LAYERS, here))
    assert [bool(cut) for cut in there] == [bool(cut) for cut in local]
    assert bool(there[0]) == (hdu not in (["DQ"], [3, 1], "X", 9))
    for one, other in zip(local, there, strict=True):
        if one:
            mine, far = one.hdus(), other.hdus()
            assert [hdu.name for hdu in far] == [hdu.name for hdu in mine]
            for ours, theirs in zip(mine, far, strict=True):
                np.testing.assert_array_equal(theirs.data, ours.data)
                assert [theirs.header.get(card) for card in ("CRPIX1", "LTV1", "CRVAL1")] == [
                    ours.header.get(card) for card in ("CRPIX1", "LTV1", "CRVAL1")
                ]


def test_the_first_image_with_others_is_refused_there_in_words_and_never_lost(shown: Gallery) -> None:
    at, here = [(150.0, 2.0)], shown.releases / "demo/dr1/layers.fits"
    (local,) = bowerbird.cutouts(at, SIZE, here, hdu=[None, "DQ"])["cutout"]
    assert [hdu.name for hdu in local.hdus()][-2:] == ["DATA", "DQ"]
    there = bowerbird.cutouts(at, SIZE, LAYERS, hdu=[None, "DQ"])
    assert list(there["cutout"]) == [None]
    assert "name that HDU too" in there["reason"][0]


@pytest.fixture
def fresh(shown: Gallery) -> Iterator[Path]:
    """An image that is there for one test alone."""
    path = image(shown.releases / "demo/dr1/fresh.fits", *M13, pixels=80)
    ingest(shown.releases, shown.releases.parent / "tables")
    yield path
    path.unlink()
    ingest(shown.releases, shown.releases.parent / "tables")


def test_what_came_is_not_fetched_again_while_the_image_is_the_same(fresh: Path, tmp_path: Path) -> None:
    at, folder = [M13, (250.2, 36.3), (10.0, 10.0)], tmp_path / "cuts"

    def cut(size: str = SIZE, **more: Any) -> list[tuple[int, bytes]]:
        made = bowerbird.cutouts(at, size, str(DID("demo", "dr1", "fresh.fits")), folder=folder, **more)
        assert [bool(cut) for cut in made["cutout"]] == [True, True, False]
        assert "outside the image" in made["reason"][2]
        # When each was written: a file system gives the number of a file that went to the next one.
        return [(Path(file).stat().st_mtime_ns, Path(file).read_bytes()) for file in made["file"][:2]]

    first = cut()
    assert cut() == first, "the files of the first call"
    with (folder / ".origins.jsonl").open("a") as lines:
        lines.write('{"file": "000000.fits", "questi')  # a call that was killed
    (folder / "000001.fits").unlink()
    second = cut()
    assert second[0] == first[0]
    assert second[1][1] == first[1][1]
    (folder / "000000.fits").write_bytes(b"something else")
    assert [content for _, content in cut()] == [content for _, content in first]
    for changed in (cut("0.2 deg"), cut(mode="partial")):
        assert all(one != other for one, other in zip(changed, first, strict=True))
    image(fresh, *M13, pixels=82)
    for row, (_, content) in enumerate(cut()):
        assert content != first[row][1]
        np.testing.assert_array_equal(fits.HDUList.fromstring(content)[0].data, bowerbird.cutout(fresh, at[row], SIZE)[0].data)


def test_what_is_closed_meanwhile_is_told_also_of_what_came(shown: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    did, folder = str(DID("demo", "dr3", "next.fits")), tmp_path / "cuts"
    assert bowerbird.cutouts([M13], SIZE, did, folder=folder)["reason"][0] == ""
    nobody(monkeypatch)
    assert "2100-01-01" in bowerbird.cutouts([M13], SIZE, did, folder=folder)["reason"][0]
