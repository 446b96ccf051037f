"""Many small cutouts of one file: the hub is asked for its release once in a while, and each is what it would be alone."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from astropy.io import fits
from bowerbird_services.identity import Away
from bowerbird_services.near_files import NearFiles
from bowerbird_services.release_files import Directories, NoFile
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, directories, fill, gallery, gallery_platform, image
from tests.services.soda.calls import CIRCLE, M13, SECRET, cut, hdus, refused
from tests.services.test_dali import MEMBER

FILE = DID("demo", "dr1", "m13.fits")


class Door:
    """The hub's door, which writes down what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.is_away = False

    def __call__(self, root: Path) -> Directories:
        known = directories(root)

        def directory(collection: str, release: str) -> int:
            self.asked.append((collection, release))
            if self.is_away:
                raise Away("the hub does not answer")
            return known(collection, release)

        return directory


def lay(root: Path) -> None:
    fill(root)
    with fits.open(root / "demo/dr1/m13.fits") as plain:
        squeezed = fits.CompImageHDU(plain[0].data, plain[0].header, compression_type="GZIP_1", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), squeezed]).writeto(root / "demo/dr1/tiles.fits.fz")
        plain.writeto(root / "demo/dr1/whole.fits.gz")


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def served(tmp_path: Path, door: Door) -> Iterator[Gallery]:
    with gallery(tmp_path, before=lay, door=door) as found:
        yield found


@pytest.fixture
def client(served: Gallery) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.address, timeout=30) as client:
        yield client


def near(client: httpx.Client, door: Door, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Return an answer for which the door was not asked."""
    for _ in range(100):
        count = len(door.asked)
        answer = ask()
        if len(door.asked) == count:
            return answer
    pytest.fail("the door is asked for every cutout")


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, {name: value for name, value in answer.headers.items() if name != "date"}


def test_next_cutout_is_what_the_first_one_was_and_the_door_is_not_asked_for_it(client: httpx.Client, door: Door) -> None:
    first = cut(client, CIRCLE=CIRCLE)
    assert hdus(first)[0].shape == (10, 10)
    assert told(near(client, door, lambda: cut(client, CIRCLE=CIRCLE))) == told(first)


def test_refusals_are_the_same_where_the_file_is_near(client: httpx.Client, door: Door) -> None:
    wanted = ({"CIRCLE": "1 1 1"}, {"CIRCLE": CIRCLE, "TIME": "1"}, {"CIRCLE": CIRCLE, "POL": "I"}, {"CIRCLE": "250.4 36.46 100"})
    alone = [told(cut(client, **asked)) for asked in wanted]
    for asked, answer in zip(wanted, alone, strict=True):
        near(client, door, lambda: cut(client, CIRCLE=CIRCLE))
        assert told(cut(client, **asked)) == answer
    head = near(client, door, lambda: client.head("/soda/sync", params={"ID": M13, "CIRCLE": CIRCLE}))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5760")


@pytest.mark.parametrize("file", ["tiles.fits.fz", "whole.fits.gz"])
def test_what_has_to_be_decompressed_is_never_near(client: httpx.Client, door: Door, file: str) -> None:
    for _ in range(3):
        count = len(door.asked)
        assert hdus(cut(client, str(DID("demo", "dr1", file)), CIRCLE=CIRCLE))
        assert len(door.asked) == count + 1


def test_near_file_that_is_replaced_or_gone_is_seen_at_once(served: Gallery, client: httpx.Client, door: Door) -> None:
    path = served.releases / "demo/dr1/m13.fits"
    old = near(client, door, lambda: cut(client, CIRCLE=CIRCLE)).content
    image(path.with_name("other.fits"), 250.4, 36.46, pixels=64).replace(path)
    new = cut(client, CIRCLE=CIRCLE)
    assert new.status_code == 200
    assert new.content != old
    near(client, door, lambda: cut(client, CIRCLE=CIRCLE))
    path.unlink()
    refused(cut(client, CIRCLE=CIRCLE), 404, "UsageError", "not there any more")


def test_near_file_is_for_nobody_else(served: Gallery, client: httpx.Client, door: Door) -> None:
    mine = near(client, door, lambda: cut(client, SECRET, CIRCLE=CIRCLE, headers=MEMBER))
    assert mine.headers["cache-control"] == "private, no-store"
    refused(cut(client, SECRET, CIRCLE=CIRCLE), 404, "UsageError")
    near(client, door, lambda: cut(client, SECRET, CIRCLE=CIRCLE, headers=MEMBER))
    served.known.records.take({"kind": "forget", "name": "member"})
    refused(cut(client, SECRET, CIRCLE=CIRCLE, headers=MEMBER), 403, "AuthorizationError", "may not sign in")


def test_near_file_of_a_release_that_is_closed_is_closed_in_the_same_second(served: Gallery, client: httpx.Client, door: Door) -> None:
    near(client, door, lambda: cut(client, CIRCLE=CIRCLE))
    closed = gallery_platform(dr1={"public": False, "teams": ["craft"]})
    served.known.records.take({"kind": "platform", "platform": closed.model_dump(mode="json")})
    refused(cut(client, CIRCLE=CIRCLE), 404, "UsageError")


def test_hub_that_went_away_is_said_when_its_answer_is_too_old(client: httpx.Client, door: Door) -> None:
    near(client, door, lambda: cut(client, CIRCLE=CIRCLE))
    door.is_away = True
    answers = [cut(client, CIRCLE=CIRCLE)]
    while answers[-1].status_code == 200 and len(answers) < 10_000:
        answers.append(cut(client, CIRCLE=CIRCLE))
    refused(answers[-1], 503, "ServiceUnavailable", "the hub does not answer")


class Files:
    """Near files with a clock of their own, and a release that is two directories, one after the other."""

    def __init__(self, place: Path) -> None:
        self.now = 0.0
        self.place = place
        self.turn = "one"
        for name in ("one", "two"):
            (place / name).mkdir()
            (place / name / FILE.file).write_text(name)
        self.near = NearFiles(self._directory, lambda: self.now)

    def _directory(self, collection: str, release: str) -> int:
        if (collection, release) != FILE.place or self.turn == "gone":
            raise NoFile
        return os.open(self.place / self.turn, os.O_PATH | os.O_DIRECTORY)

    def content(self, part: int | None = None) -> str | None:
        found = self.near.file(FILE, part)
        if found is None:
            return None
        with found:
            return os.read(found.descriptor, 100).decode()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path)
    yield made
    made.near.close()


def test_only_the_part_that_a_thread_found_near_is(files: Files) -> None:
    assert files.content() is None
    files.near.add(FILE, None)
    assert (files.content(), files.content(1)) == ("one", None)
    files.near.add(FILE, 1)
    assert (files.content(), files.content(1)) == ("one", "one")


def test_directory_is_that_of_the_release_for_half_a_second(files: Files) -> None:
    files.near.add(FILE, None)
    files.turn = "two"
    files.now = 0.5
    files.near.add(FILE, None)
    assert files.content() == "one"
    files.now = 0.51
    assert files.content() is None
    files.near.add(FILE, None)
    assert files.content() == "two"


def test_release_that_has_no_directory_has_nothing_near(files: Files) -> None:
    files.turn = "gone"
    files.near.add(FILE, None)
    assert files.content() is None


def test_no_descriptor_stays_open(files: Files) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for turn in range(10):
        files.now = float(turn)
        files.near.add(FILE, None)
        assert files.content() == "one"
    files.near.close()
    assert len(os.listdir("/proc/self/fd")) == before
