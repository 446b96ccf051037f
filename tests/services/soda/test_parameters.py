"""SODA 1.0: each parameter by the standard's text, and what is said of bad input."""

import csv
import io
import re
import socket
import tarfile
from typing import Any

import astropy.units as u
import bowerbird
import httpx
import numpy as np
import pytest
import pyvo
import requests
from astropy.io import fits
from astropy.wcs import WCS
from bowerbird.spectral import C
from defusedxml.ElementTree import fromstring

from tests.services.gallery import Gallery
from tests.services.soda.calls import AIR, CIRCLE, CUBE, LAYERS, M13, MOVIE, RADIO, SPACED, cut, hdus, refused, sky_of


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


def test_band_finds_a_line_in_a_cube_of_air_by_its_wavelength_in_vacuum(client: httpx.Client) -> None:
    """[O III] at 5008.240 Å, which the cube counts as 5006.843 Å; SIA, the descriptor and the cutout agree on where the cube ends."""
    line = 5008.240e-10
    made = hdus(cut(client, AIR, BAND=f"{line}"))[0]
    assert made.shape[0] == 1
    assert abs(WCS(made.header).wcs_pix2world([[0, 0, 0]], 0)[0, 2] - 5006.843e-10) < 0.625e-10
    links = client.get("/datalink/links", params={"ID": AIR}).text
    ends = sorted(float(found) for found in re.findall(r'<M(?:IN|AX) value="([0-9.]+e-07)"', links))
    assert ends == pytest.approx([4800.717e-10, 5300.850e-10], abs=2e-13)
    for band, there in ((ends[0] - 1e-13, 204), (ends[0] + 1e-13, 200), (ends[1] - 1e-13, 200), (ends[1] + 1e-13, 204)):
        assert cut(client, AIR, BAND=f"{band}").status_code == there
        found = client.get("/sia2/query", params={"BAND": f"{band}", "POS": "CIRCLE 85.0 -2.0 0.1", "RESPONSEFORMAT": "csv"}).text
        assert (AIR in found) == (there == 200)


def _band(first: float, last: float) -> str:
    """From one frequency to another (MHz), as SODA has it."""
    return f"{C / (last * 1e6)!r} {C / (first * 1e6)!r}"


@pytest.mark.parametrize(
    ("did", "asked", "part"),
    [
        (RADIO, {"POL": "Q"}, np.s_[1:2, :]),
        (RADIO, {"POL": ["Q", "u"]}, np.s_[1:3, :]),
        (RADIO, {"POL": ["I", "V"]}, np.s_[0:4, :]),  # with those between: the axis counts on
        (RADIO, {"BAND": _band(1401, 1402)}, np.s_[:, 1:3]),
        (RADIO, {"BAND": _band(1401, 1401), "POL": "V"}, np.s_[3:4, 1:2]),
        (RADIO, {"BAND": f"{C / 1.404e9} +Inf"}, np.s_[:, :]),
        (MOVIE, {"TIME": "59002.25 59003.75"}, np.s_[2:4]),
        (MOVIE, {"TIME": "59005.5"}, np.s_[5:6]),
        (MOVIE, {"TIME": "-Inf 59000.5"}, np.s_[0:1]),
        (RADIO, {"POL": "RR"}, None),
        (RADIO, {"BAND": "0.2 0.21"}, None),
        (MOVIE, {"TIME": "59006.1 59007"}, None),
    ],
)
def test_each_axis_is_cut_over_http_and_says_where_it_begins(client: httpx.Client, shown: Gallery, did: str, asked: Any, part: Any) -> None:
    answer = cut(client, did, *((name, text) for name, texts in asked.items() for text in np.atleast_1d(texts).tolist()))
    if part is None:
        assert (answer.status_code, answer.content) == (204, b"")
        return
    made = hdus(answer)[0]
    path = shown.releases / "demo" / "dr1" / did.partition("?")[2]
    with fits.open(path) as whole:
        assert np.array_equal(made.data, whole[0].data[part])
        sides = np.argwhere(np.isin(whole[0].data, made.data[..., 0, 0]))[0][::-1]
        for axis in range(2, made.data.ndim):
            assert made.header[f"CRPIX{axis + 1}"] == whole[0].header[f"CRPIX{axis + 1}"] - sides[axis]
    made.verify("exception")


def test_descriptor_of_a_cube_says_what_each_axis_has(client: httpx.Client) -> None:
    for did, name, ends in ((RADIO, "BAND", (C / 1.4045e9, C / 1.3995e9)), (MOVIE, "TIME", (59000.0, 59006.0))):
        told = fromstring(client.get("/datalink/links", params={"ID": did}).content)
        (found,) = (one for one in told.iter() if one.get("name") == name)
        values = {one.tag.rpartition("}")[2]: float(one.get("value") or "nan") for one in found.iter() if one.get("value")}
        assert (values["MIN"], values["MAX"]) == pytest.approx(ends)
    states = [
        one.get("value") for one in fromstring(client.get("/datalink/links", params={"ID": RADIO}).content).iter() if "OPTION" in one.tag
    ]
    assert states[:4] == ["I", "Q", "U", "V"]


def test_several_hdus_come_in_one_file_as_the_notebook_cuts_them(client: httpx.Client, shown: Gallery) -> None:
    path, circle = shown.releases / "demo/dr1/layers.fits", "150.0 2.0 0.048"
    asked: list[tuple[list[str], Any]] = [
        (["DATA", "STAT", "DQ"], ["DATA", "STAT", "DQ"]),
        (["data", "3", "1"], ["data", 3]),
        (["STAT,1"], ("STAT", 1)),
        (["STAT , 1", "STAT"], "STAT"),
        (["*"], "*"),
    ]
    for texts, choices in asked:
        made = cut(client, LAYERS, *(("HDU", text) for text in texts), CIRCLE=circle)
        assert made.content == bowerbird.cutout(path, (150.0, 2.0), "0.096 deg", hdu=choices, as_bytes=True)
    assert [hdu.name for hdu in hdus(cut(client, LAYERS, HDU="*"))] == ["PRIMARY", "DATA", "STAT"], "that has no sky is not among all"
    refused(cut(client, LAYERS, ("HDU", "*"), ("HDU", "DATA")), 400, "UsageError", "give * alone")
    refused(cut(client, LAYERS, HDU="DQ"), 400, "UsageError", "no celestial")
    refused(cut(client, LAYERS, HDU="DATA,2"), 400, "UsageError", "no HDU ('DATA', 2)")
    refused(cut(client, LAYERS, *(("HDU", str(number)) for number in range(101))), 400, "UsageError", "the most are 100")
    refused(cut(client, LAYERS, ("HDU", "DATA"), ("HDU", "STAT"), FORM="mef", CIRCLE=circle), 400, "UsageError", "FORM=tar")


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


@pytest.mark.parametrize("did", [M13, CUBE])
def test_several_regions_come_as_extensions_of_one_file(client: httpx.Client, did: str) -> None:
    ra, dec = (250.4, 36.46) if did == M13 else (53.1, -27.8)
    circles = [f"{ra} {dec} 0.01", "10 10 0.1", f"{ra + 0.01} {dec} 0.02"]
    answer = cut(client, did, *(("CIRCLE", circle) for circle in circles), FORM="mef")
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("application/fits", str(len(answer.content)))
    assert answer.headers["content-disposition"].endswith('_cutouts.fits"')
    made = hdus(answer)
    assert [(hdu.name, hdu.ver) for hdu in made] == [("PRIMARY", 1), ("CUTOUT", 1), ("CUTOUT", 3), ("REGIONS", 1)]
    told = made["REGIONS"].data
    assert [told["region"].tolist(), told["hdu"].tolist()] == [[1, 2, 3], [1, 0, 2]]
    assert [bool(reason) for reason in told["reason"]] == [False, True, False]
    for number in (1, 3):
        (alone,) = hdus(cut(client, did, CIRCLE=circles[number - 1]))
        extension = made["CUTOUT", number]
        extension.verify("exception")
        assert extension.data.tobytes() == alone.data.tobytes()
        assert sky_of(extension.header).to_header() == sky_of(alone.header).to_header()
        assert list(extension.header["HISTORY"]) == list(alone.header["HISTORY"])
    assert cut(client, did, ("CIRCLE", "10 10 0.1"), ("CIRCLE", "20 10 0.1"), FORM="mef").status_code == 204


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
        ({"BAND": "500nm 600nm"}, "wavelengths in metres, as in '5e-7 7e-7'"),
        ({"BAND": "500 nm"}, "wavelengths in metres, as in '5e-7 7e-7'"),
        ({"BAND": "nan 1"}, "BAND"),
        ({"BAND": "2 1"}, "BAND"),
        ({"TIME": "2024-01-01"}, "times as MJD"),
        ({"POL": "Z"}, "POL"),
        ({"FORM": "zip"}, "fits or tar"),
        ({"HDU": "SCI"}, "there is no HDU 'SCI'"),
        ({"HDU": "99"}, "there is no HDU 99 in this file; it has 1: 0\n"),
        ({"HDU": "x" * 100}, "HDU"),
        ({"CIRCEL": CIRCLE}, "did you mean CIRCLE? There are ID, POS, CIRCLE"),
        ({"CUTOUT": "[0]"}, "no parameter 'CUTOUT'; there are ID, POS"),
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


def test_pyvo_goes_from_a_search_to_pixels_where_they_are_in_the_sky(shown: Gallery, session: requests.Session) -> None:
    found = pyvo.dal.SIA2Service(f"{shown.address}/sia2", session=session).search(pos=(250.4, 36.46, 0.1))
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
