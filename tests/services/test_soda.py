"""SODA 1.0 as clients meet it: each parameter by the standard's text, who gets which pixels, and what becomes of bad input."""

import csv
import io
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import bowerbird
import httpx
import numpy as np
import pytest
import pyvo
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from bowerbird import pieces
from bowerbird_services import cutting
from bowerbird_services.allowances import Allowance
from bowerbird_services.store.dids import DID
from defusedxml.ElementTree import fromstring

from tests.services.gallery import Gallery, fill, gallery, gallery_platform, image
from tests.services.test_dali import MEMBER
from tests.services.waiting import until

M13 = str(DID("demo", "dr1", "m13.fits"))
CUBE = str(DID("demo", "dr1", "cube.fits"))
SPACED = str(DID("demo", "dr1", "images/a b+c.fits"))
SECRET = str(DID("demo", "dr2", "secret.fits"))
NEXT = str(DID("demo", "dr3", "next.fits"))
CIRCLE = "250.4 36.46 0.048"
STRANGER = {"Authorization": "Bearer token-of-stranger"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery")) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gallery]:
    """A gallery whose files a test may change."""
    with gallery(tmp_path) as found:
        yield found


@pytest.fixture
def client(shown: Gallery) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shown.address, timeout=30) as client:
        yield client


def cut(client: httpx.Client, did: str = M13, *pairs: tuple[str, str], **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return client.get("/soda/sync", params=[("ID", did), *pairs, *more.items()], headers=headers)


def hdus(answer: httpx.Response) -> fits.HDUList:
    assert answer.status_code == 200, answer.text
    return fits.open(io.BytesIO(answer.content), memmap=False)


def sky_of(header: fits.Header) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def refused(answer: httpx.Response, status: int, word: str, *says: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(f"{word}: ")
    for words in says:
        assert words in answer.text


def test_circle_has_the_pixels_that_the_notebook_cuts_from_the_same_file(client: httpx.Client, shown: Gallery) -> None:
    answer = cut(client, CIRCLE=CIRCLE)
    assert answer.content == bowerbird.cutout(shown.releases / "demo/dr1/m13.fits", (250.4, 36.46), "0.096 deg", as_bytes=True)
    assert answer.headers["content-type"] == "application/fits"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == 'attachment; filename="m13_250.40000+36.46000.fits"'
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, no-cache"
    assert hdus(answer)[0].shape == (10, 10)


@pytest.mark.parametrize(
    "region",
    [
        {"POS": f"CIRCLE {CIRCLE}"},
        {"pos": f"circle   {CIRCLE}"},
        {"POS": "RANGE 250.3 250.5 36.4 36.5"},
        {"POLYGON": "250.3 36.4 250.5 36.4 250.5 36.5 250.3 36.5"},
        {"POS": "POLYGON 250.3 36.4 250.5 36.4 250.5 36.5 250.3 36.5"},
    ],
)
def test_region_is_covered_in_each_form(client: httpx.Client, shown: Gallery, region: dict[str, str]) -> None:
    made = hdus(cut(client, **region))[0]
    with fits.open(shown.releases / "demo/dr1/m13.fits") as whole:
        sky, there = sky_of(made.header), sky_of(whole[0].header)
        corners = {"RANGE": [(250.3, 36.4), (250.5, 36.5)], "POLYGON": [(250.3, 36.4), (250.5, 36.5), (250.5, 36.4)]}
        for key, places in corners.items():
            if key in str(region):
                for place in places:
                    x, y = sky.wcs_world2pix([place], 0)[0]
                    assert -0.5 - 1e-6 <= x <= made.shape[1] - 0.5 + 1e-6
                    assert -0.5 - 1e-6 <= y <= made.shape[0] - 0.5 + 1e-6
        x, y = np.rint(there.wcs_world2pix(sky.wcs_pix2world([[0, 0]], 0), 0)[0]).astype(int)
        assert np.array_equal(made.data, whole[0].data[y : y + made.shape[0], x : x + made.shape[1]])


def test_post_and_head_are_answered_like_get(client: httpx.Client) -> None:
    plain = cut(client, CIRCLE=CIRCLE)
    posted = client.post("/soda/sync", data={"ID": M13, "CIRCLE": CIRCLE})
    assert posted.content == plain.content
    head = client.head("/soda/sync", params={"ID": M13, "CIRCLE": CIRCLE})
    assert head.content == b""
    for name in ("content-length", "etag", "last-modified", "content-type", "content-disposition"):
        assert head.headers[name] == plain.headers[name]


def test_without_a_filter_the_whole_image_comes(client: httpx.Client, shown: Gallery) -> None:
    with fits.open(shown.releases / "demo/dr1/m13.fits") as whole:
        assert np.array_equal(hdus(cut(client))[0].data, whole[0].data)
    assert hdus(cut(client, SPACED))[0].shape == (60, 60)


@pytest.mark.parametrize(
    "asked",
    [{"CIRCLE": "10 10 0.1"}, {"POS": "RANGE 10 20 -5 5"}, {"POLYGON": "10 10 11 10 10 11"}, {"CIRCLE": CIRCLE, "TIME": "50000 50001"}],
)
def test_no_overlap_is_204(client: httpx.Client, asked: dict[str, str]) -> None:
    answer = cut(client, **asked)
    assert (answer.status_code, answer.content) == (204, b"")


def test_band_cuts_a_cube_by_the_planes_that_it_touches(client: httpx.Client) -> None:
    for band, planes in (("515e-9 534e-9", 2), ("5.1e-7", 1), ("-Inf 5.1e-7", 2), ("5.6e-7 +Inf", 2), ("0 +Inf", 8), ("530e-9", 1)):
        made = hdus(cut(client, CUBE, BAND=band, CIRCLE="53.1 -27.8 0.05"))[0]
        assert made.shape[0] == planes, band
    first = hdus(cut(client, CUBE, BAND="530e-9"))[0]
    assert WCS(first.header).wcs_pix2world([[0, 0, 0]], 0)[0, 2] == pytest.approx(530e-9)
    assert cut(client, CUBE, BAND="1 2").status_code == 204
    refused(cut(client, CUBE, POL="I"), 400, "UsageError", "no axis of polarisation")


def test_time_and_band_are_yes_or_no_where_the_image_has_no_such_axis(client: httpx.Client) -> None:
    assert cut(client, TIME="58849 58850").status_code == 200  # 2020-01-01
    assert cut(client, TIME="-Inf 58000").status_code == 204
    refused(cut(client, CUBE, TIME="58849"), 400, "UsageError", "TIME is of no use here")
    refused(cut(client, BAND="5e-7"), 400, "UsageError", "BAND is of no use here")


def test_several_values_are_refused_by_the_word_of_the_standard(client: httpx.Client) -> None:
    for pairs in (
        [("CIRCLE", CIRCLE), ("CIRCLE", CIRCLE)],
        [("CIRCLE", CIRCLE), ("POS", f"CIRCLE {CIRCLE}")],
        [("ID", CUBE)],
        [("BAND", "1 2"), ("BAND", "2 3")],
        [("TIME", "1 2"), ("TIME", "2 3")],
    ):
        refused(cut(client, M13, *pairs), 400, "MultiValuedParamNotSupported")


def test_several_regions_come_as_an_archive_where_that_is_asked_for(client: httpx.Client) -> None:
    circles = ["250.4 36.46 0.05", "251.4 36.46 0.1", "250.5 36.5 0.02"]
    answer = cut(client, M13, *(("CIRCLE", circle) for circle in circles), FORM="tar")
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-length"] == str(len(answer.content))
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        files = {member.name: file.read() for member in archive if (file := archive.extractfile(member))}
    listed = list(csv.DictReader(io.StringIO(files["index.csv"].decode())))
    assert [row["region"] for row in listed] == ["1", "2", "3"]
    assert "outside the image" in listed[1]["reason"]
    for row, circle in zip(listed, circles, strict=True):
        if row["file"]:
            assert files[row["file"]] == cut(client, CIRCLE=circle).content
    assert len(files) == 3
    assert cut(client, M13, ("CIRCLE", "10 10 0.1"), ("CIRCLE", "20 10 0.1"), FORM="tar").status_code == 204


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"CIRCLE": "nan 36 0.1"}, "finite"),
        ({"CIRCLE": "inf 36 0.1"}, "finite"),
        ({"CIRCLE": "250 95 0.1"}, "declination"),
        ({"CIRCLE": "-10 5 0.1"}, "right ascension"),
        ({"CIRCLE": "250 36 0"}, "radius"),
        ({"CIRCLE": "250 36 -1"}, "radius"),
        ({"CIRCLE": "250 36 1e9"}, "radius"),
        ({"CIRCLE": "250 36"}, "numbers"),
        ({"CIRCLE": "here there now"}, "CIRCLE"),
        ({"POLYGON": "1 2 3 4"}, "vertices"),
        ({"POLYGON": "0 0 120 0 240 0"}, "half of the sky"),
        ({"POS": "BOX 1 2 3 4"}, "CIRCLE"),
        ({"POS": "RANGE 1 2 5 4"}, "lower first"),
        ({"BAND": "500nm 600nm"}, "BAND"),
        ({"BAND": "nan 1"}, "BAND"),
        ({"BAND": "2 1"}, "BAND"),
        ({"TIME": "yesterday"}, "TIME"),
        ({"POL": "Z"}, "POL"),
        ({"FORM": "zip"}, "fits or tar"),
        ({"HDU": "SCI"}, "there is no HDU 'SCI'"),
        ({"HDU": "99"}, "there is no HDU 99"),
        ({"HDU": "x" * 100}, "HDU"),
        ({"CIRCEL": CIRCLE}, "did you mean CIRCLE? There are ID, POS, CIRCLE"),
        ({"CUTOUT": "[0]"}, "no parameter 'CUTOUT'"),
        ({"RESPONSEFORMAT": "image/png"}, "cutouts are application/fits"),
    ],
)
def test_what_is_no_value_is_said(client: httpx.Client, asked: dict[str, str], says: str) -> None:
    refused(cut(client, **asked), 400, "UsageError", says)


@pytest.mark.parametrize(
    "more",
    [{"REQUEST": "doQuery"}, {"VERSION": "1.0"}, {"RESPONSEFORMAT": "application/fits"}, {"maxrec": "5"}, {"RUNID": "a"}, {"BAND": ""}],
)
def test_what_every_service_is_asked_and_what_nobody_filled_in_change_nothing(client: httpx.Client, more: dict[str, str]) -> None:
    assert cut(client, CIRCLE=CIRCLE, **more).content == cut(client, CIRCLE=CIRCLE).content


def test_request_without_an_id_is_refused(client: httpx.Client) -> None:
    refused(client.get("/soda/sync"), 400, "UsageError", "ID is missing")
    refused(client.post("/soda/sync", json={"ID": M13}), 415, "UsageError", "send a form")


def test_too_many_positions_are_refused_with_the_limit(client: httpx.Client) -> None:
    body = "&".join([f"ID={M13.replace('?', '%3F')}", "FORM=tar", *["CIRCLE=250+36+0.1"] * 100_000])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(client.post("/soda/sync", content=body, headers=kind), 400, "UsageError")
    refused(client.post("/soda/sync", content="CIRCLE=1" * 1_000_000, headers=kind), 413, "UsageError", "larger than")
    many = [("CIRCLE", "1 1 1")] * 1001
    refused(cut(client, M13, *many, FORM="tar"), 413, "UsageError", "1000 are the most")


@pytest.mark.parametrize(
    "did",
    ["", "m13.fits", "/etc/passwd",
     M13 + "x", M13.replace("dr1", "dr9"), M13.replace("x-bowerbird", "other"),
     M13.replace("m13", "../dr2/secret"),
     M13.replace("m13", "%2e%2e/dr2/secret"), M13.replace("m13.fits", "m13.fits%00"), M13.replace("demo/dr1", "demo/dr1/../dr2"),
     "ivo://x-bowerbird/demo/dr1?" + "a/" * 9000, str(DID("demo", "dr2", "m13.fits")), str(DID("demo", "dr1", "secret.fits")),
     str(DID("demo", "dr1", "notes.txt"))],
)  # fmt: skip
def test_no_id_leads_to_anything_but_a_product_that_is_yours(client: httpx.Client, did: str) -> None:
    answer = cut(client, did, CIRCLE=CIRCLE)
    refused(answer, 404 if did else 400, "UsageError")
    if did:
        assert answer.text == cut(client, SECRET, CIRCLE=CIRCLE).text, "a hidden one answers as one that is not there"


def test_pixels_are_for_whom_the_release_is(client: httpx.Client) -> None:
    refused(cut(client, SECRET, CIRCLE=CIRCLE, headers=STRANGER), 404, "UsageError")
    mine = cut(client, SECRET, CIRCLE=CIRCLE, headers=MEMBER)
    assert hdus(mine)[0].shape == (10, 10)
    assert mine.headers["cache-control"] == "private, no-store"
    assert "access-control-allow-origin" not in mine.headers
    refused(cut(client, NEXT, CIRCLE=CIRCLE), 403, "AuthorizationError", "2100-01-01", "craft@example.org")
    assert cut(client, NEXT, CIRCLE=CIRCLE, headers=MEMBER).status_code == 200
    bad = cut(client, CIRCLE=CIRCLE, headers={"Authorization": "Bearer nonsense"})
    refused(bad, 401, "AuthenticationError")
    assert "www-authenticate" in bad.headers


def test_product_that_is_no_image_is_said(client: httpx.Client) -> None:
    refused(cut(client, str(DID("demo", "dr1", "line.fits")), CIRCLE="10 20 0.1"), 400, "UsageError", "no image")


def test_cutout_that_is_known_is_not_sent_again_until_the_file_changes(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        tag = cut(client, CIRCLE=CIRCLE).headers["etag"]
        again = cut(client, CIRCLE=CIRCLE, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert cut(client, CIRCLE="250.4 36.46 0.06", headers={"If-None-Match": tag}).status_code == 200
        image(own.releases / "demo/dr1/m13.fits", 250.4, 36.46, pixels=50)
        assert cut(client, CIRCLE=CIRCLE, headers={"If-None-Match": tag}).status_code == 200


def test_release_that_is_closed_is_closed_in_the_same_second(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        assert cut(client, CIRCLE=CIRCLE).status_code == 200
        closed = gallery_platform(dr1={"public": False, "teams": ["craft"], "announced": True, "public_on": "2100-01-01T00:00:00Z"})
        own.known.records.take({"kind": "platform", "platform": closed.model_dump(mode="json")})
        refused(cut(client, CIRCLE=CIRCLE), 403, "AuthorizationError", "2100-01-01")


def test_release_that_is_closed_while_its_pixels_are_read_is_not_sent(own: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = gallery_platform(dr1={"public": False, "teams": ["craft"]})
    read = pieces.Pieces.read

    def closing(self: pieces.Pieces, product: Any) -> Any:
        own.known.records.take({"kind": "platform", "platform": closed.model_dump(mode="json")})
        return read(self, product)

    monkeypatch.setattr(pieces.Pieces, "read", closing)
    with httpx.Client(base_url=own.address, timeout=30) as client:
        refused(cut(client, CIRCLE=CIRCLE), 404, "UsageError")


def damaged(path: Path, kind: str) -> None:
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        os.truncate(path, len(content) - 6000)
    elif kind == "lies":
        path.write_bytes(content.replace(b"NAXIS1  =                   60", b"NAXIS1  =           9000000000"))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "link":
        path.unlink()
        path.symlink_to("/etc/passwd")
    else:
        path.write_bytes(b"something else" * 1000)


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [("missing", 404, "not there any more"), ("truncated", 400, "ends before its pixels"), ("lies", 400, "ends before its pixels"),
     ("empty", 400, "not a FITS file"), ("link", 404, "not there any more"), ("other", 400, "not a FITS file")],
)  # fmt: skip
def test_file_that_is_not_what_it_was_is_said(own: Gallery, kind: str, status: int, says: str) -> None:
    damaged(own.releases / "demo/dr1/m13.fits", kind)
    with httpx.Client(base_url=own.address, timeout=30) as client:
        refused(cut(client, CIRCLE=CIRCLE), status, "UsageError", says)
        assert cut(client, CUBE).status_code == 200


def test_file_that_is_written_over_while_it_is_cut_gives_an_error_and_never_a_mix(own: Gallery) -> None:
    path = own.releases / "demo/dr1/m13.fits"
    contents = [path.read_bytes()]
    with fits.open(path) as first:
        made = io.BytesIO()
        fits.PrimaryHDU(first[0].data + 1000, first[0].header).writeto(made)
        contents.append(made.getvalue())
    assert len(contents[0]) == len(contents[1])
    good = {bowerbird.cutout(path, (250.4, 36.46), "0.4 deg", as_bytes=True)}
    path.write_bytes(contents[1])
    good.add(bowerbird.cutout(path, (250.4, 36.46), "0.4 deg", as_bytes=True))
    assert len(good) == 2
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with path.open("r+b") as file:
                file.write(contents[turn % 2])

    writing = threading.Thread(target=write)
    writing.start()
    try:
        with httpx.Client(base_url=own.address, timeout=30) as client:
            answers = [cut(client, CIRCLE="250.4 36.46 0.2") for _ in range(60)]
    finally:
        stop.set()
        writing.join()
    for answer in answers:
        assert answer.status_code in {200, 503}, answer.text
        if answer.status_code == 503:
            refused(answer, 503, "ServiceUnavailable", "changed while it was cut")


def test_file_that_is_replaced_gives_the_old_bytes_or_the_new(own: Gallery) -> None:
    path = own.releases / "demo/dr1/m13.fits"
    old = bowerbird.cutout(path, (250.4, 36.46), "0.096 deg", as_bytes=True)
    other = image(own.releases / "demo/dr1/other.fits", 250.4, 36.46, pixels=64)
    with httpx.Client(base_url=own.address, timeout=30) as client:
        assert cut(client, CIRCLE=CIRCLE).content == old
        other.replace(path)
        new = bowerbird.cutout(path, (250.4, 36.46), "0.096 deg", as_bytes=True)
        assert cut(client, CIRCLE=CIRCLE).content == new != old


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Gallery]:
    def lay(root: Path) -> None:
        fill(root)
        header = fits.getheader(root / "demo/dr1/m13.fits")
        header["NAXIS1"], header["NAXIS2"], header["CDELT1"], header["CDELT2"] = 10_000, 10_000, -1e-4, 1e-4
        with (root / "demo/dr1/large.fits").open("wb") as file:  # 400 MB of nothing, on no disk
            file.write(header.tostring().encode())
            file.truncate(file.tell() + 400_000_000 + 2880 - 400_000_000 % 2880)

    with gallery(tmp_path, before=lay) as found:
        yield found


LARGE = str(DID("demo", "dr1", "large.fits"))


def test_cutout_that_is_too_large_is_refused_with_the_limit_before_the_first_byte(large: Gallery) -> None:
    with httpx.Client(base_url=large.address, timeout=60) as client:
        refused(cut(client, LARGE), 413, "UsageError", "256 MB", "this one would have 382", "smaller region")
        assert client.head("/soda/sync", params={"ID": LARGE}).status_code == 413
        several = [("POS", "RANGE 0 360 -90 90")] * 2
        refused(cut(client, LARGE, *several, FORM="tar"), 413, "UsageError", "256 MB")


def test_large_cutout_is_streamed_and_a_client_that_goes_away_lets_the_file_go(large: Gallery) -> None:
    large.site.limits = lambda _platform, _identity: replace(Allowance(), at_once=1)
    with httpx.Client(base_url=large.address, timeout=60) as client:
        box = {"ID": LARGE, "CIRCLE": "249.78 36.96 0.15"}
        told = client.head("/soda/sync", params=box)
        assert int(told.headers["content-length"]) > cutting.SMALL
        whole = client.get("/soda/sync", params=box)
        assert len(whole.content) == int(told.headers["content-length"])
        assert hdus(whole)[0].data.any() is np.False_
        with client.stream("GET", "/soda/sync", params=box) as answer:
            assert next(answer.iter_raw())
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(httpx.get, f"{large.address}/soda/sync", params={"ID": M13, "CIRCLE": CIRCLE}, timeout=30)
                answer.close()
                assert waiting.result().status_code == 200
        until(lambda: not is_open(large.releases / "demo/dr1/large.fits"))
        until(lambda: not is_open(large.releases / "demo/dr1/m13.fits"))


def is_open(path: Path) -> bool:
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == str(path):
                return True
        except OSError:
            continue
    return False


def test_release_that_is_cut_only_hands_out_pieces_of_large_images_and_small_ones_whole(tmp_path: Path) -> None:
    def lay(root: Path) -> None:
        fill(root)
        image(root / "demo/dr1/mosaic.fits", 30.0, 10.0, pixels=2200, step=1e-4)

    mosaic, whole = str(DID("demo", "dr1", "mosaic.fits")), ("CIRCLE", "30 10 0.5")
    with (
        gallery(tmp_path, gallery_platform(dr1={"serve": "cutouts"}), before=lay) as found,
        httpx.Client(base_url=found.address, timeout=60) as client,
    ):
        for asked in ((), (whole,), (whole, ("FORM", "tar"))):
            refused(cut(client, mosaic, *asked), 400, "UsageError", "hands out pieces", "16 MB", "name a region")
            assert client.head("/soda/sync", params=[("ID", mosaic), *asked]).status_code == 400
        assert hdus(cut(client, mosaic, CIRCLE="30 10 0.01"))[0].data.shape == (202, 202)
        assert hdus(cut(client))[0].data.shape == (60, 60)
    until(lambda: not is_open(found.releases / "demo/dr1/mosaic.fits"))


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="needs fitsverify")
def test_fitsverify_finds_no_fault_with_what_comes(tmp_path: Path) -> None:
    def lay(root: Path) -> None:
        fill(root)
        data = np.arange(3600, dtype="f4").reshape(60, 60)
        header = fits.getheader(root / "demo/dr1/m13.fits")
        parts = [fits.ImageHDU(data + k, header, name=name) for k, name in enumerate(("DATA", "STAT"))]
        fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(root / "demo/dr1/parts.fits", checksum=True)

    parts = str(DID("demo", "dr1", "parts.fits"))
    with gallery(tmp_path / "gallery", before=lay) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        for number, (did, asked) in enumerate(
            (
                (M13, {"CIRCLE": CIRCLE}),
                (CUBE, {"BAND": "515e-9 535e-9"}),
                (CUBE, {"CIRCLE": "53.1 -27.8 0.03", "BAND": "515e-9 535e-9"}),
                (parts, {"CIRCLE": CIRCLE, "HDU": "*"}),
                (parts, {"CIRCLE": CIRCLE, "HDU": "STAT"}),
            )
        ):
            path = tmp_path / f"{number}.fits"
            path.write_bytes(cut(client, did, **asked).raise_for_status().content)
            said = subprocess.run(["fitsverify", str(path)], check=False, capture_output=True, text=True, timeout=60).stdout
            assert "found 0 warning(s) and 0 error(s)" in said, f"{did} {asked}: {said}"


def test_nothing_stays_open_whatever_the_answer_was(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        for asked in ({"CIRCLE": CIRCLE}, {"CIRCLE": "1 1 1"}, {"HDU": "9"}, {"TIME": "1"}, {"CIRCLE": CIRCLE, "FORM": "tar"}):
            cut(client, **asked)
            client.head("/soda/sync", params={"ID": M13, **asked})
        cut(client, CIRCLE=CIRCLE, headers={"If-None-Match": cut(client, CIRCLE=CIRCLE).headers["etag"]})
    until(lambda: not is_open(own.releases / "demo/dr1/m13.fits"))


def test_extensions_compressed_and_gzipped_files(tmp_path: Path) -> None:
    def lay(root: Path) -> None:
        fill(root)
        with fits.open(root / "demo/dr1/m13.fits") as plain:
            data, header = plain[0].data, plain[0].header
            parts = [fits.ImageHDU(data + k, header, name=name) for k, name in enumerate(("DATA", "STAT"))]
            fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(root / "demo/dr1/parts.fits")
            squeezed = fits.CompImageHDU(data, header, compression_type="GZIP_1", quantize_level=0)
            fits.HDUList([fits.PrimaryHDU(), squeezed]).writeto(root / "demo/dr1/tiles.fits.fz")
            plain.writeto(root / "demo/dr1/whole.fits.gz")

    with gallery(tmp_path, before=lay) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        wanted = hdus(cut(client, CIRCLE=CIRCLE))[0].data
        for file, number in (("tiles.fits.fz", 1), ("whole.fits.gz", 0), ("parts.fits", 1)):
            made = hdus(cut(client, str(DID("demo", "dr1", file)), CIRCLE=CIRCLE))
            assert np.array_equal(made[number].data, wanted), file
        parts = str(DID("demo", "dr1", "parts.fits"))
        for hdu, names in (("STAT", ["STAT"]), ("2", ["STAT"]), ("*", ["DATA", "STAT"])):
            assert [one.name for one in hdus(cut(client, parts, CIRCLE=CIRCLE, HDU=hdu))[1:]] == names


def test_a_gzipped_file_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MOST_INFLATED", 10_000)

    def lay(root: Path) -> None:
        fill(root)
        with fits.open(root / "demo/dr1/m13.fits") as plain:
            plain.writeto(root / "demo/dr1/whole.fits.gz")

    with gallery(tmp_path, before=lay) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        refused(cut(client, str(DID("demo", "dr1", "whole.fits.gz")), CIRCLE=CIRCLE), 400, "UsageError", "compressed as a whole")


def test_many_at_once_get_what_each_asked_for(client: httpx.Client) -> None:
    places = [(250.3 + 0.02 * k, 36.4 + 0.01 * k) for k in range(10)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda place: cut(client, CIRCLE=f"{place[0]} {place[1]} 0.03"), places * 5))
    for answer, (ra, dec) in zip(made, places * 5, strict=True):
        x, y = sky_of(hdus(answer)[0].header).wcs_world2pix([[ra, dec]], 0)[0]
        assert 0 <= x <= hdus(answer)[0].shape[1]
        assert 0 <= y <= hdus(answer)[0].shape[0]


def test_capabilities_and_availability(client: httpx.Client) -> None:
    told = fromstring(client.get("/soda/capabilities").text)
    found = {one.get("standardID"): one.find(".//accessURL").text for one in told}  # type: ignore[union-attr]
    assert found["ivo://ivoa.net/std/SODA#sync-1.0"] == f"{client.base_url}/soda/sync".replace("//soda", "/soda")
    assert "true" in client.get("/soda/availability").text
    assert client.delete("/soda/sync").status_code == 405


def test_raw_nonsense_does_not_break_it(shown: Gallery) -> None:
    host, _, port = shown.address.removeprefix("http://").partition(":")
    for path in ("/soda/sync?ID=%00", "/soda/sync?ID=%ff%fe&CIRCLE=%00", "/soda/sync?%00=%00&ID", "/soda/sync?ID=" + "%2e" * 2000):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer[:200]


def test_pyvo_goes_from_a_search_to_pixels_where_they_are_in_the_sky(shown: Gallery) -> None:
    found = pyvo.dal.SIA2Service(f"{shown.address}/sia2").search(pos=(250.4, 36.46, 0.1))
    (record,) = (one for one in found if one.obs_publisher_did == M13)
    made = fits.open(io.BytesIO(record.processed(circle=(250.4 * u.deg, 36.46 * u.deg, 0.048 * u.deg)).read()), memmap=False)
    path = shown.releases / "demo/dr1/m13.fits"
    local = bowerbird.cutout(path, (250.4, 36.46), "0.096 deg")
    assert made[0].data.tobytes() == local[0].data.tobytes()
    with fits.open(path) as whole:
        x, y = (round(whole[0].header[f"CRPIX{axis}"] - made[0].header[f"CRPIX{axis}"]) for axis in (1, 2))
        there, here = (sky_of(hdu.header).pixel_to_world([x0, x0 + 9], [y0, y0 + 9]) for hdu, x0, y0 in ((whole[0], x, y), (made[0], 0, 0)))
        assert there.separation(here).deg.max() < 1e-9
        assert np.array_equal(whole[0].data[y : y + 10, x : x + 10], made[0].data)
