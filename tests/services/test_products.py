"""Files of releases over HTTP: who gets them, which part of them, and that no path leads anywhere else."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from bowerbird_services.allowances import Allowance
from bowerbird_services.app import create
from bowerbird_services.identity import Away
from bowerbird_services.site import Site
from bowerbird_services.vo.jobs import JobStore

from tests.services.gallery import directories
from tests.services.serving import served
from tests.services.test_dali import MEMBER, refused
from tests.services.waiting import is_open, until

BYTES = bytes(range(256)) * 16


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    root = tmp_path / "releases"
    for release in ("dr1", "dr2"):
        (root / "demo" / release / "images").mkdir(parents=True)
        (root / "demo" / release / "images" / "m 13+.fits").write_bytes(BYTES)
    first = root / "demo" / "dr1"
    (first / "page.html").write_text("<script>alert(1)</script>")
    (first / "empty.csv").touch()
    (first / "out").symlink_to("/etc/passwd")
    (first / "aside").symlink_to("images")
    (root / "secret").write_text("not of a release")
    os.mkfifo(first / "pipe")
    return root


@pytest.fixture
def client(site: Site, jobs: JobStore, releases: Path) -> Iterator[httpx.Client]:
    with served(create(site, jobs, directories=directories(releases))) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


FILE = "/products/demo/dr1/images/m 13+.fits"


def test_file_comes_whole_with_what_is_known_of_it(client: httpx.Client) -> None:
    answer = client.get(FILE)
    assert (answer.status_code, answer.content) == (200, BYTES)
    assert answer.headers["content-type"] == "application/fits"
    assert answer.headers["access-control-allow-origin"] == "*"
    told = client.head(FILE)
    assert told.content == b""
    for name in ("content-length", "etag", "last-modified", "accept-ranges", "content-type"):
        assert told.headers[name] == answer.headers[name]
    assert client.get("/products/demo/dr1/empty.csv").content == b""


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=4090-", 4090, 4096),
        ("bytes=-6", 4090, 4096),
        ("bytes=4000-99999", 4000, 4096),
        ("bytes=-99999", 0, 4096),
    ],
)
def test_part_of_a_file_comes_alone(client: httpx.Client, asked: str, first: int, end: int) -> None:
    answer = client.get(FILE, headers={"Range": asked})
    assert answer.content == BYTES[first:end]
    assert answer.headers["content-length"] == str(end - first)
    if end - first < len(BYTES):
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/4096"


def test_part_that_is_not_there_is_refused_and_nonsense_gets_the_whole(client: httpx.Client) -> None:
    for asked in ("bytes=4096-", "bytes=-0", "bytes=9999-10000"):
        answer = client.get(FILE, headers={"Range": asked})
        refused(answer, 416, "4096 bytes")
        assert answer.headers["content-range"] == "bytes */4096"
    for asked in ("bytes=9-1", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "bytes", "bytes=-", f"bytes={'9' * 5000}-"):
        answer = client.get(FILE, headers={"Range": asked})
        assert (answer.status_code, len(answer.content)) == (200, 4096)


def test_file_that_is_known_is_not_sent_again_until_it_changes(client: httpx.Client, releases: Path) -> None:
    tag = client.get(FILE).headers["etag"]
    assert client.get(FILE, headers={"If-None-Match": f'"other", W/{tag}'}).status_code == 304
    assert client.get(FILE, headers={"If-Range": tag, "Range": "bytes=0-0"}).status_code == 206
    (releases / "demo" / "dr1" / "images" / "m 13+.fits").write_bytes(b"other")
    answer = client.get(FILE, headers={"If-None-Match": tag, "If-Range": tag, "Range": "bytes=0-0"})
    assert (answer.status_code, answer.content) == (200, b"other")


def test_hidden_file_answers_as_one_that_is_not_there(client: httpx.Client) -> None:
    hidden, absent = FILE.replace("dr1", "dr2"), FILE.replace("dr1", "dr9")
    for path in (hidden, absent, FILE + "x", "/products/none/dr1/x"):
        refused(client.get(path), 404, "there is no such file")
        assert client.head(path).status_code == 404
    assert client.get(hidden).content == client.get(absent).content == client.get(FILE + "x", headers=MEMBER).content
    answer = client.get(hidden, headers=MEMBER)
    assert answer.content == BYTES
    assert "access-control-allow-origin" not in answer.headers
    refused(client.get(hidden, headers={"Authorization": "Bearer nonsense"}), 401)


@pytest.mark.parametrize(
    "path",
    ["../dr2/images/m 13+.fits", "../../secret", "..", ".", "", "images", "out", "aside/m 13+.fits", "pipe", "/etc/passwd", "x" * 300,
     "a/" * 3000, "images/m 13+.fits/x", "page.html%00.fits", "page.html\0"],
)  # fmt: skip
def test_no_path_leads_to_anything_but_a_file_of_the_release(client: httpx.Client, path: str) -> None:
    address = str(client.base_url).removeprefix("http://")
    quoted = path.replace(" ", "%20").replace("\0", "%00")
    with socket.create_connection((address.partition(":")[0], int(address.partition(":")[2]))) as raw:  # no client puts the path in order
        raw.sendall(f"GET /products/demo/dr1/{quoted} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]


def test_page_of_a_release_runs_nowhere(client: httpx.Client) -> None:
    headers = client.get("/products/demo/dr1/page.html").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-security-policy"].startswith("sandbox")


def test_client_that_goes_away_lets_the_file_go(site: Site, jobs: JobStore, releases: Path) -> None:
    with (releases / "demo" / "dr1" / "large.fits").open("wb") as large:
        large.truncate(1 << 30)
    site.limits = lambda _platform, _identity: replace(Allowance(), at_once=1)
    with served(create(site, jobs, directories=directories(releases))) as address, httpx.Client(base_url=address, timeout=30) as client:
        with client.stream("GET", "/products/demo/dr1/large.fits") as answer:
            chunks = answer.iter_raw()
            assert next(chunks)
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(httpx.get, address + FILE, timeout=30)
                assert client.head(FILE).status_code == 200
                assert not waiting.done(), "one file at once is all"
                answer.close()
                assert waiting.result().content == BYTES
        until(lambda: not is_open(releases / "demo" / "dr1" / "large.fits"))


def test_hub_that_is_away_is_told(site: Site, jobs: JobStore) -> None:
    def away(_collection: str, _release: str) -> int:
        raise Away("the hub does not answer")

    with served(create(site, jobs, directories=away)) as address:
        refused(httpx.get(address + FILE), 503, "hub", "try again")
