"""One decision at every door: rows, links, files, pixels, pictures, tiles and coverage open and close in the same second."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.table_order import TableOrder
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.store import surveys
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, gallery, gallery_platform
from tests.services.test_dali import MEMBER
from tests.support.sky_images import tangent, waves, write

CENTRE = (150.1, 2.2)
OPENS = datetime(2100, 1, 1, tzinfo=UTC)
# `dr2` is a team's and hidden, `dr3` is announced.
RELEASES = ("dr2", "dr3")
FILE = "field.fits"


def lay(root: Path) -> None:
    """Lay an image of each release, and draw its survey."""
    for release in RELEASES:
        write(root / "demo" / release / FILE, waves(60, 60), tangent(60, 60, centre=CENTRE))
    releases = [{"collection": "demo", "release": name, "directory": str(root / "demo" / name)} for name in RELEASES]
    assert run(TableOrder.model_validate({"releases": releases}), root.parent / "surveys", print) == 0


@pytest.fixture
def shown(served: Gallery) -> Iterator[Gallery]:
    """The gallery, with its own platform and members at the end of each test."""
    was = served.known.named("member").memberships
    yield served
    served.known.records.take({"kind": "identity", "record": IdentityRecord(9, "member", 600_000, 600_000, was).to_json()})
    served.known.records.take({"kind": "platform", "platform": gallery_platform().model_dump(mode="json")})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("doors"), before=lay) as found:
        yield found


def did(release: str) -> str:
    return str(DID("demo", release, FILE))


def _ok(path: str) -> "Door":
    return lambda client, _, release: client.get(path.format(release=release)).status_code == httpx.codes.OK


def _tile(client: httpx.Client, shown: Gallery, release: str) -> bool:
    assert shown.site.surveys is not None
    (path, *_) = sorted(surveys.folder_of(shown.site.surveys, "demo", release).glob("*/Norder7/Dir*/Npix*.fits"))
    return client.get(f"/hips/demo/{release}/{'/'.join(path.parts[-3:])}").status_code == httpx.codes.OK


def _preview(client: httpx.Client, shown: Gallery, release: str) -> bool:
    (address,) = set(re.findall(r"<TD>(http[^<]*preview\?[^<]*)</TD>", _links(client, release))) or {""}
    return bool(address) and client.get(address.replace("&amp;", "&")).status_code == httpx.codes.OK


def _links(client: httpx.Client, release: str) -> str:
    return client.get("/datalink/links", params={"ID": did(release)}).text


Door = Callable[[httpx.Client, Gallery, str], bool]
OBSCORE = {"LANG": "ADQL", "QUERY": "SELECT obs_publisher_did FROM ivoa.obscore", "RESPONSEFORMAT": "csv"}
DOORS: dict[str, Door] = {
    "obscore": lambda client, _, release: did(release) in client.get("/tap/sync", params=OBSCORE).text,
    "sia": lambda client, _, release: did(release) in client.get("/sia2/query", params={"POS": "CIRCLE 150.1 2.2 0.1"}).text,
    "sia, all": lambda client, _, release: did(release) in client.get("/sia2/query", params={"RESPONSEFORMAT": "csv"}).text,
    "links": lambda client, _, release: f"/products/demo/{release}/{FILE}<" in _links(client, release),
    "file": _ok(f"/products/demo/{{release}}/{FILE}"),
    "pixels": _ok(f"/soda/sync?ID=ivo%3A%2F%2Fx-bowerbird%2Fdemo%2F{{release}}%3F{FILE}&CIRCLE=150.1+2.2+0.005"),
    "preview": _ok(f"/datalink/preview?ID=ivo%3A%2F%2Fx-bowerbird%2Fdemo%2F{{release}}%3F{FILE}"),
    "list of surveys": lambda client, _, release: f"demo/{release}" in client.get("/hips/hipslist").text,
    "properties": _ok("/hips/demo/{release}/properties"),
    "tile": _tile,
    "Moc.fits": _ok("/hips/demo/{release}/Moc.fits"),
    "coverage": _ok("/moc/demo/{release}"),
    "coverage of the collection": _ok("/moc/demo"),
}


@pytest.mark.parametrize("name", DOORS)
def test_a_membership_that_ends_closes_each_door_at_once(shown: Gallery, name: str) -> None:
    was = shown.known.named("member").memberships
    with httpx.Client(base_url=shown.address, timeout=30, headers=MEMBER) as client:
        for memberships in (was, (), was, (), was):
            shown.known.records.take({"kind": "identity", "record": IdentityRecord(9, "member", 600_000, 600_000, memberships).to_json()})
            # Twice: what is near is answered another way the second time.
            assert [DOORS[name](client, shown, "dr2") for _ in range(2)] == [bool(memberships)] * 2


@pytest.mark.parametrize("name", DOORS)
def test_a_release_opens_each_door_in_the_second_of_its_date(shown: Gallery, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"title": "Third", "teams": ["craft"], "announced": True, "public_on": OPENS}
    shown.known.records.take({"kind": "platform", "platform": gallery_platform(dr3=told).model_dump(mode="json")})
    with httpx.Client(base_url=shown.address, timeout=30) as client:
        for seconds, is_open in ((-1, False), (-0.001, False), (0, True), (0.001, True), (-1, False)):
            monkeypatch.setattr(shown.site, "clock", lambda at=OPENS + timedelta(seconds=seconds): at)
            assert [DOORS[name](client, shown, "dr3") for _ in range(2)] == [is_open] * 2, seconds
