"""Images of an archive: found, linked, and cut where they are, with the pixels that a cut of the file itself has."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import astropy.units as u
import bowerbird
import httpx
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Column, QTable

from tests.extensions.skies import SCALE, SIP, Mosaic
from tests.support.archive_server import DID, SENTENCE, VOTABLE, Archive, archive_server
from tests.support.disk import small_disk
from tests.support.sessions import forget
from tests.support.tap_server import broken

CENTRE = (150.0, 2.0)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mosaic = Mosaic(projection="TAN-SIP", cards=SIP, turn=33.0)
    return mosaic.write(tmp_path_factory.mktemp("archive") / "mosaic.fits")


@pytest.fixture
def archive(image: Path) -> Iterator[Archive]:
    with archive_server(image) as served:
        yield served


@pytest.fixture
def platform(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The archive as the platform's own."""
    monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{archive.url}/tap")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    forget()
    yield archive
    forget()


def query(archive: Archive) -> str:
    return f"{archive.url}/sia2/query"


def test_images_are_asked_for_by_where_when_and_in_which_light(archive: Archive) -> None:
    found = bowerbird.images(
        SkyCoord(150, 2, unit="deg"),
        "6 arcmin",
        query(archive),
        band=("700 nm", "4 eV"),
        time=("2024-01-01", 60400.5),
        collection="sky",
        kind="image",
        limit=9,
    )
    (asked,) = archive.asked("/sia2/query")
    low, high = map(float, asked.pop("BAND").split())
    assert (low, high) == pytest.approx((3.0996e-7, 7e-7), rel=1e-4)
    assert asked.pop("POS").split() == ["CIRCLE", "150.0", "2.0", "0.1"]
    assert asked == {"TIME": "60310.0 60400.5", "COLLECTION": "sky", "DPTYPE": "image", "MAXREC": "9"}
    assert isinstance(found, QTable)
    assert found["obs_publisher_did"].tolist() == [DID]
    assert found["em_min"].to_value("nm").tolist() == pytest.approx([500])


@pytest.mark.parametrize(
    "what",
    [
        {"band": "r"},
        {"band": ("1 kg", "2 kg")},
        {"time": ("then", "now")},
        {"time": 5},
        {"time": ("2024-07-01", "2024-01-01")},
        {"kind": "spectrum"},
    ],
)
def test_what_cannot_be_understood_is_told_and_nothing_is_asked(archive: Archive, what: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(what))} is "):
        bowerbird.images(CENTRE, "1 arcmin", query(archive), **what)  # type: ignore[arg-type]
    assert not archive.seen


def test_a_radius_may_have_an_exponent(archive: Archive) -> None:
    bowerbird.images(CENTRE, f"{5e-05} deg", query(archive))
    assert [asked["POS"] for asked in archive.asked("/sia2/query")] == ["CIRCLE 150.0 2.0 5e-05"]


def test_the_platforms_own_images_are_found_and_signed_for(platform: Archive) -> None:
    assert len(bowerbird.images(CENTRE, "1 arcmin")) == 1
    assert len(bowerbird.links(DID)) == 3
    assert {authorization for _, _, authorization in platform.seen} == {"Bearer secret"}


def test_without_a_platform_a_service_is_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOWERBIRD_TAP_URL", raising=False)
    forget()
    with pytest.raises(ValueError, match=r"name a service, as in service='https://example.org/sia2/query'"):
        bowerbird.images(CENTRE, "1 arcmin")
    with pytest.raises(ValueError, match="give the address of its DataLink, like access_url"):
        bowerbird.links(DID)


def test_links_say_what_there_is_and_why_something_is_not(archive: Archive) -> None:
    (record,) = bowerbird.images(CENTRE, "1 arcmin", query(archive))
    found = bowerbird.links(record)
    assert found["semantics"].tolist() == ["#this", "#cutout", "#preview"]
    assert found["reason"].tolist() == ["", "", "the preview was never made"]
    assert str(found["content_length"].unit) == "byte"


def test_a_table_that_is_no_datalink_is_told(archive: Archive) -> None:
    with pytest.raises(bowerbird.ServiceError, match="a table that has no links; give the address of its DataLink"):
        bowerbird.links(query(archive))
    with pytest.raises(ValueError, match=r"a row that bowerbird\.images found"):
        bowerbird.links(QTable({"a": [1]})[0])
    with pytest.raises(ValueError, match="neither a publisher DID"):
        bowerbird.links("mosaic.fits")


@pytest.mark.parametrize("mode", ["trim", "partial", "strict"])
def test_pixels_and_places_are_those_of_a_cut_of_the_file_itself(archive: Archive, image: Path, mode: str, tmp_path: Path) -> None:
    dice = np.random.default_rng(5)
    at = np.stack([150 + dice.uniform(-130, 130, 30) * SCALE, 2 + dice.uniform(-130, 130, 30) * SCALE], axis=-1)
    sizes = dice.uniform(0.5, 40, 30) * SCALE * u.deg
    here = bowerbird.cutouts(at, sizes, str(image), mode=mode)
    address = bowerbird.images(CENTRE, "1 arcmin", query(archive))["access_url"][0]
    there = bowerbird.cutouts(at, sizes, str(address), mode=mode, folder=tmp_path / "cuts")
    assert [bool(cut) for cut in there["cutout"]] == [bool(cut) for cut in here["cutout"]]
    assert 5 < sum(bool(cut) for cut in there["cutout"]) < 30
    for one, other in zip(here["cutout"], there["cutout"], strict=True):
        if one:
            np.testing.assert_array_equal(other.data, one.data)
            for name in ("CRVAL1", "CRPIX1", "CRPIX2", "CD1_1", "CD2_1", "A_2_0"):
                assert other.header[name] == one.header[name]
    assert all(there["reason"][row] for row, cut in enumerate(there["cutout"]) if not cut)
    assert len(archive.asked("/datalink/links")) == 1, "the way to cut one image is asked for once"


def test_each_row_may_have_its_image_here_or_there_and_fails_alone(archive: Archive, image: Path) -> None:
    address = f"{archive.url}/datalink/links?ID=1"
    table = QTable({"ra": [150.0, 150, 151, np.nan, 150], "dec": [2.0, 2, 2, 2, 2]})
    table["image"] = [str(image), address, address, address, "ivo://elsewhere.org/x?y"]
    made = bowerbird.cutouts(table, "2 arcsec", "image")
    assert [bool(cut) for cut in made["cutout"]] == [True, True, False, False, False]
    np.testing.assert_array_equal(made["cutout"][0].data, made["cutout"][1].data)
    assert made["reason"][2] == "the region is outside the image"
    assert "not a number" in made["reason"][3]
    assert "give the address of its DataLink" in made["reason"][4]


@pytest.mark.parametrize(
    ("path", "reply", "reason"),
    [
        (
            "/soda/sync",
            (403, broken(f"AuthorizationFault: {SENTENCE}"), VOTABLE),
            r"proprietary, until 2199.*a@b.org\); until then no query reads it",
        ),
        ("/soda/sync", (401, b"", "text/plain"), "wants you to sign in"),
        ("/soda/sync", (400, b"UsageFault: CIRCLE is too large", "text/plain"), "says: UsageFault: CIRCLE is too large; cut another piece"),
        ("/soda/sync", (500, b"", "text/plain"), "answered 500"),
        ("/soda/sync", (200, b"<html>Welcome</html>", "text/html"), "answered with what is no FITS file"),
        ("/datalink/links", (404, broken("NotFoundFault: no such image"), VOTABLE), "no such image"),
        ("/datalink/links", (200, b"<html>Welcome</html>", "text/html"), "a page for people"),
    ],
)
def test_what_goes_wrong_at_the_service_is_the_reason(archive: Archive, path: str, reply: tuple[int, bytes, str], reason: str) -> None:
    archive.instead[path] = reply
    made = bowerbird.cutouts([CENTRE, (150.0, 2.001)], "2 arcsec", f"{archive.url}/datalink/links?ID=1")
    assert list(made["cutout"]) == [None, None]
    for said in made["reason"]:
        assert re.search(reason, said), said


@pytest.mark.parametrize("name", ["..", "a/../../b", "x" * 300])
def test_what_an_archive_calls_its_image_is_no_file_name_here(archive: Archive, image: Path, name: str) -> None:
    address = f"{archive.url}/datalink/links?ID=1"
    told = httpx.get(address).content
    assert DID.encode() in told
    archive.instead["/datalink/links"] = (200, told.replace(DID.encode(), f"ivo://a/b?{name}".encode()), VOTABLE)
    archive.instead["/soda/sync"] = (200, image.read_bytes(), "application/fits")
    (cut,) = bowerbird.cutouts([CENTRE], "2 arcsec", address)["cutout"]
    (same,) = bowerbird.cutouts([CENTRE], "2 arcsec", str(image))["cutout"]
    np.testing.assert_array_equal(cut.data, same.data)


def test_an_archive_that_tells_no_etag_is_asked_again(archive: Archive, tmp_path: Path) -> None:
    address = f"{archive.url}/datalink/links?ID=1"
    for asked in (1, 2):
        assert bowerbird.cutouts([CENTRE], "2 arcsec", address, folder=tmp_path / "cuts")["cutout"][0]
        assert len(archive.asked("/soda/sync")) == asked
    assert [path.name for path in (tmp_path / "cuts").iterdir()] == ["000000.fits"]


@pytest.mark.root
def test_a_full_disk_is_the_reason_of_what_has_no_room_on_it_and_of_nothing_else(
    archive: Archive, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, top = f"{archive.url}/datalink/links?ID=1", tmp_path / "disk"
    top.mkdir()
    with small_disk(top, tmp_path / "below", "1"):
        (top / "filler").write_bytes(bytes(shutil.disk_usage(top).free - image.stat().st_size // 2))
        monkeypatch.setattr(tempfile, "tempdir", str(top))
        made = bowerbird.cutouts([CENTRE, CENTRE], Column([2, 60], unit="arcsec"), address)
        assert list(top.glob("bowerbird-cuts-*")) == []
    np.testing.assert_array_equal(made["cutout"][0].data, bowerbird.cutout(image, CENTRE, "2 arcsec")[0].data)
    told = f"there is no room in {top} for the pixels that the service sends; make room there, or name another folder in"
    assert made["reason"].tolist() == ["", f"{told} the environment variable TMPDIR"]


def test_a_service_that_is_gone_is_a_reason_too(image: Path) -> None:
    with archive_server(image) as archive:
        address = f"{archive.url}/datalink/links?ID=1"
    made = bowerbird.cutouts([CENTRE], "2 arcsec", address)
    assert "cannot be reached" in made["reason"][0]


def test_an_image_of_the_platform_that_lies_below_data_is_cut_here(
    platform: Archive, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    (tmp_path / "releases/sky/dr1/one").mkdir(parents=True)
    (tmp_path / "releases/sky/dr1/one/mosaic.fits").symlink_to(image)
    did = "ivo://x-bowerbird/sky/dr1?one/mosaic.fits"
    made = bowerbird.cutouts([CENTRE], "2 arcsec", did)
    np.testing.assert_array_equal(made["cutout"][0].data, bowerbird.cutout(image, CENTRE, "2 arcsec")[0].data)
    assert not platform.seen
    bowerbird.cutouts([CENTRE], "2 arcsec", "ivo://x-bowerbird/sky/dr2?one/mosaic.fits")
    assert platform.asked("/datalink/links") == [{"ID": "ivo://x-bowerbird/sky/dr2?one/mosaic.fits"}]


def test_stamps_of_an_archive_are_those_of_its_cutouts(archive: Archive, image: Path) -> None:
    strip = bowerbird.stamps([CENTRE], "2 arcsec", f"{archive.url}/datalink/links?ID={quote(DID)}")
    ((row, cut, reason),) = strip._source.cuts([0])
    assert (row, reason) == (0, "")
    assert cut is not None
    assert cut.data.tobytes() == bowerbird.cutouts([CENTRE], "2 arcsec", str(image))["cutout"][0].data.tobytes()
