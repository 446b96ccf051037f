"""The files that are cut: of which form they may be, and what becomes of them while they are cut."""

import gzip
import io
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import bowerbird
import httpx
import numpy as np
import pytest
from astropy.io import fits
from bowerbird import pieces
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, fill, gallery, image
from tests.services.soda.calls import CIRCLE, CUBE, M13, cut, hdus, refused
from tests.services.waiting import is_open, until


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
        wishes: tuple[tuple[str, dict[str, str | list[str]]], ...] = (
            (M13, {"CIRCLE": CIRCLE}),
            (CUBE, {"BAND": "515e-9 535e-9"}),
            (CUBE, {"CIRCLE": "53.1 -27.8 0.03", "BAND": "515e-9 535e-9"}),
            (parts, {"CIRCLE": CIRCLE, "HDU": "*"}),
            (parts, {"CIRCLE": CIRCLE, "HDU": "STAT"}),
            (parts, {"CIRCLE": [CIRCLE, "1 1 1", CIRCLE], "HDU": "STAT", "FORM": "mef"}),
            (M13, {"CIRCLE": [CIRCLE, CIRCLE], "FORM": "mef"}),
        )
        for number, (did, asked) in enumerate(wishes):
            path = tmp_path / f"{number}.fits"
            answer = client.get("/soda/sync", params={"ID": did, **asked})
            path.write_bytes(answer.raise_for_status().content)
            said = subprocess.run(["fitsverify", str(path)], check=False, capture_output=True, text=True, timeout=60).stdout
            assert "found 0 warning(s) and 0 error(s)" in said, f"{did} {asked}: {said}"
        refused(cut(client, parts, CIRCLE=CIRCLE, HDU="*", FORM="mef"), 400, "UsageError", "FORM=mef takes one image", "FORM=tar")


def test_what_nobody_foresaw_is_a_text_of_soda_without_a_traceback(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret-detail")

    monkeypatch.setattr(pieces.Pieces, "read", fail)
    answer = cut(client, CIRCLE=CIRCLE)
    refused(answer, 500, "Error", "failed on this request")
    assert "secret-detail" not in answer.text


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


# Of an image of float32 that is just larger than what is inflated, 256 MB.
SIDE = 8200


def test_a_gzipped_file_does_not_fill_the_memory(tmp_path: Path) -> None:
    def lay(root: Path) -> None:
        fill(root)
        header = fits.getheader(root / "demo/dr1/m13.fits")
        header["NAXIS1"] = header["NAXIS2"] = SIDE
        with gzip.open(root / "demo/dr1/whole.fits.gz", "wb", compresslevel=1) as file:
            file.write(header.tostring().encode())
            for _ in range(SIDE):
                file.write(bytes(4 * SIDE))
            file.write(bytes(-4 * SIDE * SIDE % 2880))

    with gallery(tmp_path, before=lay) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        refused(cut(client, str(DID("demo", "dr1", "whole.fits.gz")), CIRCLE=CIRCLE), 400, "UsageError", "compressed as a whole")
