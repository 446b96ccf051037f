"""Who keeps whom waiting for files and what is made of them: slow readers, those who go away, and what lies in memory meanwhile."""

import gzip
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from bowerbird_services.allowances import Allowance
from bowerbird_services.previews import Previews
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, fill, gallery, gallery_platform, image
from tests.services.test_dali import MEMBER
from tests.services.waiting import until

M13, BIG, PACKED = (str(DID("demo", "dr1", file)) for file in ("m13.fits", "big.fits", "packed.fits.gz"))
CIRCLE = "250.4 36.46 0.048"
SECONDS = 3


def lay(root: Path) -> None:
    fill(root)
    big = image(root / "demo/dr1/big.fits", 80, 10, pixels=2500, step=0.0005)
    (root / "demo/dr1/packed.fits.gz").write_bytes(gzip.compress(big.read_bytes(), 1))


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path, before=lay) as found:
        yield found


@contextmanager
def standing_still(found: Gallery, did: str, head: str = "") -> Iterator[socket.socket]:
    """Ask for a product and read nothing of it."""
    host, _, port = found.address.removeprefix("http://").partition(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        reader.sendall(f"GET /soda/sync?ID={quote(did)} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        yield reader


def inflated() -> int:
    """Return how many files lie inflated in memory."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            names.append(os.readlink(f"/proc/self/fd/{number}"))
    return sum(name.startswith("/memfd:inflated") for name in names)


def test_one_who_reads_nothing_keeps_no_other_waiting_and_is_not_waited_for(large: Gallery) -> None:
    large.site.limits = lambda _platform, _identity: replace(Allowance(), sync=timedelta(seconds=SECONDS))
    with standing_still(large, BIG) as reader, httpx.Client(base_url=large.address, timeout=60) as client:
        assert reader.recv(12) == b"HTTP/1.1 200"
        assert client.get("/soda/sync", params={"ID": BIG}, headers=MEMBER).status_code == 200

        def lets_go() -> bool:
            return client.get("/soda/sync", params={"ID": BIG}).status_code == 200

        until(lets_go)


def test_a_gzipped_file_is_inflated_for_those_alone_whose_turn_it_is(large: Gallery) -> None:
    with standing_still(large, PACKED), standing_still(large, PACKED), standing_still(large, PACKED):
        until(lambda: inflated() == 1)
        with httpx.Client(base_url=large.address, timeout=60) as client:
            assert len(client.get("/soda/sync", params={"ID": PACKED}, headers=MEMBER).content) > 20_000_000
        until(lambda: inflated() == 1)
    until(lambda: inflated() == 0)


def test_whoever_goes_away_gets_no_second_thread_before_the_first_is_back(large: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    large.site.limits = lambda _platform, _identity: replace(Allowance(), at_once=1)
    go, made, made_of = threading.Event(), [], Previews.of

    def slow(self: Previews, *asked: Any) -> bytes:
        made.append(asked)
        assert go.wait(30)
        return made_of(self, *asked)

    monkeypatch.setattr(Previews, "of", slow)
    for _ in range(3):
        with suppress(httpx.TimeoutException):
            httpx.get(f"{large.address}/datalink/preview", params={"ID": M13}, timeout=0.5)
    assert len(made) == 1
    go.set()
    assert httpx.get(f"{large.address}/datalink/preview", params={"ID": M13}, timeout=30).status_code == 200


def test_links_are_made_in_turn_and_in_time(large: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    large.site.limits = lambda _platform, _identity: replace(Allowance(), sync=timedelta(seconds=0.5), at_once=1)
    archive, go = large.site.archive, threading.Event()
    assert archive is not None
    record = archive.record
    monkeypatch.setattr(archive, "record", lambda *asked: record(*asked) if go.wait(30) else None)
    with httpx.Client(base_url=large.address, timeout=30) as client:
        for says in ("longer than 0.5 s", "1 lists of links"):
            late = client.get("/datalink/links", params={"ID": [M13, BIG]})
            assert late.status_code == 503
            assert says in late.text
        go.set()
        until(lambda: client.get("/datalink/links", params={"ID": M13}).status_code == 200)


def test_if_none_match_has_one_rule_wherever_products_are_had(large: Gallery) -> None:
    asked: tuple[tuple[str, dict[str, str]], ...] = (
        ("/soda/sync", {"ID": M13, "CIRCLE": CIRCLE}),
        ("/datalink/preview", {"ID": M13}),
        ("/products/demo/dr1/m13.fits", {}),
    )
    with httpx.Client(base_url=large.address, timeout=30) as client:
        for path, given in asked:
            tag = client.get(path, params=given).headers["etag"]
            for known, status in (("*", 304), (f'"x", W/{tag}', 304), (f"{tag[:-1]}x", 200), (f'"{tag}"', 200)):
                assert client.get(path, params=given, headers={"If-None-Match": known}).status_code == status, (path, known)
        posted = client.post("/soda/sync", data={"ID": M13, "CIRCLE": CIRCLE}, headers={"If-None-Match": "*"})
        assert posted.status_code == 200


def test_tag_of_a_cutout_is_the_same_in_each_process() -> None:
    code = (
        "from bowerbird.slab import Slab\nfrom bowerbird_services.cutting import tag\nfrom bowerbird_services.vo.soda import Asked\n"
        "from bowerbird_services.release_files import ReleaseFile\n"
        "print(tag(ReleaseFile(0, 1, 1.0, '\"t\"'), Asked('d', (), Slab(None, None, frozenset('IQUV')), (), 'f')))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in "1234"
    }
    assert len(told) == 1


def test_a_release_that_is_cut_hands_out_no_image_that_its_ingest_has_not_seen(tmp_path: Path) -> None:
    with gallery(tmp_path, gallery_platform(dr1={"serve": "cutouts"})) as found, httpx.Client(base_url=found.address) as client:
        for name in ("new.fits", "new.FIT", "new.fits.gz"):
            image(found.releases / "demo/dr1/plain.fits", 10, 10).rename(found.releases / "demo/dr1" / name)
            assert client.get(f"/products/demo/dr1/{name}").status_code == 403, name
        assert client.get("/products/demo/dr1/line.fits").status_code == 200
        assert client.get("/products/demo/dr1/notes.txt").status_code == 200
