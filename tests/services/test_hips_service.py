"""HiPS and MOCs over HTTP: what is sent, and who gets it."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from astropy.io import fits
from bowerbird_config.table_order import TableOrder
from bowerbird_services.app import create
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.site import Site
from bowerbird_services.store import surveys
from bowerbird_services.vo.jobs import JobStore
from mocpy import MOC

from tests.services.gallery import gallery_platform
from tests.services.serving import served
from tests.services.test_dali import MEMBER, refused
from tests.support.sky_images import tangent, waves, write

STRANGER = {"Authorization": "Bearer token-of-stranger"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surveys of two releases: `dr1` is everybody's, `dr2` a team's."""
    place = tmp_path_factory.mktemp("surveys")
    releases = []
    for name, ra in (("dr1", 150.1), ("dr2", 20.0)):
        write(place / name / "field.fits", waves(60, 60), tangent(60, 60, centre=(ra, 2.2)))
        releases.append({"collection": "demo", "release": name, "directory": str(place / name)})
    assert run(TableOrder.model_validate({"releases": releases}), place / "made", print) == 0
    return place / "made"


@pytest.fixture
def client(site: Site, jobs: JobStore, root: Path) -> Iterator[httpx.Client]:
    site.surveys = root
    with served(create(site, jobs)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def tile(root: Path, release: str, kind: str = "fits", order: int = 7) -> str:
    """Return the path of a tile of a release."""
    folder = surveys.folder_of(root, "demo", release)
    (path, *_) = sorted(folder.glob(f"*/Norder{order}/Dir*/Npix*.{kind}"))
    return "/".join(path.parts[-3:])


def records(text: str) -> list[dict[str, str]]:
    """Return the records of a hipslist, or of properties, as the standard writes them."""
    found = []
    for block in text.strip().split("\n\n"):
        pairs = (line.partition("=") for line in block.splitlines())
        found.append({name.strip(): value.strip() for name, _, value in pairs})
    return found


def test_tile_comes_with_what_is_known_of_it(client: httpx.Client, root: Path) -> None:
    path = f"/hips/demo/dr1/{tile(root, 'dr1')}"
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fits"
    assert answer.headers["access-control-allow-origin"] == "*"
    with fits.open(BytesIO(answer.content)) as file:
        assert (file[0].header["ORDER"], file[0].data.shape) == (7, (512, 512))
    head = client.head(path)
    assert head.headers["content-length"] == str(len(answer.content))
    assert head.headers["etag"] == answer.headers["etag"]
    assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    picture = client.get(path.replace(".fits", ".png"))
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    for kind in ("png", "fits"):
        assert client.get(f"/hips/demo/dr1/Norder3/Allsky.{kind}").status_code == 200


def test_properties_say_all_that_must_be_said(client: httpx.Client) -> None:
    answer = client.get("/hips/demo/dr1/properties")
    assert answer.headers["content-type"].startswith("text/plain")
    (told,) = records(answer.text)
    # HiPS 1.0, table 5: the keywords that are required.
    required = {"creator_did", "obs_title", "dataproduct_type", "hips_version", "hips_release_date", "hips_status"}
    required |= {"hips_tile_format", "hips_order", "hips_tile_width", "hips_frame"}
    assert required <= set(told)
    assert told["creator_did"] == "ivo://x-bowerbird/demo/dr1/hips"
    assert (told["hips_version"], told["hips_frame"], told["dataproduct_type"]) == ("1.4", "equatorial", "image")
    assert (told["hips_order"], told["hips_tile_width"], told["hips_tile_format"]) == ("7", "512", "png fits")
    assert told["hips_status"] == "public master unclonable"
    assert float(told["hips_initial_ra"]) == pytest.approx(150.1, abs=0.01)
    low, high = map(float, told["hips_pixel_cut"].split())
    assert 60 < low < high < 140


def test_list_has_what_whoever_asks_may_see(client: httpx.Client) -> None:
    address = str(client.base_url).rstrip("/")
    everybody = records(client.get("/hips/hipslist").text)
    assert [record["hips_service_url"] for record in everybody] == [f"{address}/hips/demo/dr1"]
    member = records(client.get("/hips/hipslist", headers=MEMBER).text)
    assert [record["creator_did"] for record in member] == ["ivo://x-bowerbird/demo/dr1/hips", "ivo://x-bowerbird/demo/dr2/hips"]
    assert [record["hips_status"].split()[0] for record in member] == ["public", "private"]
    assert client.get("/hips/hipslist", headers=STRANGER).text == client.get("/hips/hipslist").text


@pytest.mark.parametrize("path", ["hips/demo/dr2/TILE", "hips/demo/dr2/properties", "hips/demo/dr2/Moc.fits", "moc/demo/dr2"])
def test_closed_release_is_there_for_its_team_alone(client: httpx.Client, root: Path, path: str) -> None:
    path = f"/{path.replace('TILE', tile(root, 'dr2'))}"
    refused(client.get(path), 404)
    refused(client.get(path, headers=STRANGER), 404)
    answer = client.get(path, headers=MEMBER)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    assert "access-control-allow-origin" not in answer.headers
    # Whether there is such a file is not told either.
    assert client.get(path).text == client.get("/hips/demo/none/properties").text


@pytest.mark.parametrize("path", ["hips/demo/dr2/TILE", "hips/demo/dr2/properties", "hips/demo/dr2/Moc.fits", "moc/demo/dr2"])
def test_announced_release_says_until_when_it_is_closed(client: httpx.Client, site: Site, root: Path, path: str) -> None:
    told = {"title": "Second", "teams": ["craft"], "announced": True, "public_on": "2100-01-01T00:00:00Z"}
    site.identities.records.take(
        {"kind": "platform", "platform": gallery_platform(dr2=told).model_dump(mode="json", exclude_defaults=True)}
    )
    path = f"/{path.replace('TILE', tile(root, 'dr2'))}"
    for headers in ({}, STRANGER):
        refused(client.get(path, headers=headers), 403, "until 2100-01-01", "craft")
        # Whether there is such a file is not told either.
        refused(client.get("/hips/demo/dr2/Norder3/Dir0/Npix1.fits", headers=headers), 403, "until 2100-01-01")
    assert "dr2" not in client.get("/hips/hipslist").text
    assert client.get("/moc/demo").status_code == 200
    assert client.get(path, headers=MEMBER).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "Norder7/Dir0/Npix1.fits",
        "Norder07/Dir0/Npix1.fits",
        "Norder3/Allsky.jpg",
        "Norder99/Dir0/Npix99999999999999999999999999.fits",
        "survey.json",
        "..%2f..%2fdr2%2fsurvey.json",
        "Moc.fits%00",
        ".painted.json",
    ],
)
def test_no_other_path_leads_anywhere(client: httpx.Client, path: str) -> None:
    refused(client.get(f"/hips/demo/dr1/{path}"), 404)


def test_the_address_of_a_survey_leads_a_person_to_its_page(client: httpx.Client) -> None:
    for address in ("/hips/demo/dr1", "/hips/demo/dr1/", "/hips/demo/none"):
        answer = client.get(address)
        assert answer.status_code == 303
        assert answer.next_request is not None
        assert answer.next_request.url.path == f"/collections/{address.split('/')[2]}"


def test_moc_comes_in_each_form(client: httpx.Client, tmp_path: Path) -> None:
    told = client.get("/moc/demo/dr1")
    assert told.headers["content-type"] == "application/fits"
    with fits.open(BytesIO(told.content)) as file:
        assert file[1].header["MOCVERS"] == "2.0"
    (tmp_path / "moc.fits").write_bytes(told.content)
    moc = MOC.load(tmp_path / "moc.fits", "fits")
    assert MOC.from_string(client.get("/moc/demo/dr1", params={"RESPONSEFORMAT": "ascii"}).text, "ascii") == moc
    assert MOC.from_json(client.get("/moc/demo/dr1", params={"responseformat": "application/json"}).json()) == moc
    picture = client.get("/moc/demo/dr1", params={"RESPONSEFORMAT": "svg"})
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "prefers-color-scheme:dark" in picture.text
    assert client.get("/hips/demo/dr1/Moc.fits").status_code == 200
    refused(client.get("/moc/demo/dr1", params={"RESPONSEFORMAT": "gif"}), 400, "RESPONSEFORMAT is 'gif'")
    refused(client.get("/moc/demo/dr1", params=[("RESPONSEFORMAT", "json"), ("RESPONSEFORMAT", "json")]), 400)


def test_survey_that_is_lost_is_no_empty_sky(site: Site, jobs: JobStore, root: Path, tmp_path: Path) -> None:
    site.surveys = shutil.copytree(root, tmp_path / "made")
    (folder,) = (path for path in surveys.folder_of(site.surveys, "demo", "dr1").iterdir() if path.is_dir())
    shutil.rmtree(folder)
    with served(create(site, jobs)) as address:
        for path in ("/hips/demo/dr1/Norder3/Allsky.fits", "/hips/demo/dr1/Norder3/Dir0/Npix0.png", "/moc/demo/dr1?RESPONSEFORMAT=json"):
            lost = httpx.get(f"{address}{path}")
            assert (lost.status_code, lost.headers["retry-after"]) == (503, "30"), path
            assert "the survey of demo/dr1 was lost and is drawn again" in lost.text


def test_moc_of_a_collection_is_of_what_one_may_read(client: httpx.Client) -> None:
    def moc(path: str, headers: dict[str, str] | None = None) -> MOC:
        return MOC.from_json(client.get(path, params={"RESPONSEFORMAT": "json"}, headers=headers).json())

    one, other = moc("/moc/demo/dr1"), moc("/moc/demo/dr2", MEMBER)
    assert moc("/moc/demo") == moc("/moc/demo", STRANGER) == one
    assert moc("/moc/demo", MEMBER) == one.union(other)
    refused(client.get("/moc/none"), 404)


def test_a_moc_that_is_asked_for_again_is_not_made_again(client: httpx.Client, root: Path) -> None:
    first = client.get("/moc/demo/dr1", params={"RESPONSEFORMAT": "svg"})
    (file,) = surveys.folder_of(root, "demo", "dr1").glob(f"*/{surveys.MOC_FILE}")
    aside = file.rename(file.with_name("aside"))
    try:
        again = client.get("/moc/demo/dr1", params={"RESPONSEFORMAT": "svg"})
    finally:
        aside.rename(file)
    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])


@pytest.mark.parametrize("part", ["Norder3/Allsky.fits", "Norder3/Allsky.png", "Moc.fits", ""])
def test_what_is_lost_of_a_survey_is_not_said_to_be_no_part_of_the_sky(client: httpx.Client, root: Path, part: str) -> None:
    (folder,) = (path.parent for path in surveys.folder_of(root, "demo", "dr1").glob(f"*/{surveys.MOC_FILE}"))
    asked = part or tile(root, "dr1")
    aside = (folder / part).rename(root / "aside")
    try:
        answer = client.get(f"/hips/demo/dr1/{asked}")
    finally:
        aside.rename(folder / part)
    refused(answer, 503, "drawn again")
    assert client.get(f"/hips/demo/dr1/{asked}").status_code == 200
    refused(client.get("/hips/demo/dr1/Norder3/Dir0/Npix0.fits"), 404, "no image lies there")


def test_an_overview_goes_packed_to_whoever_unpacks_it(client: httpx.Client, root: Path) -> None:
    path = "/hips/demo/dr1/Norder3/Allsky.fits"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 50
    assert {"accept-encoding"} <= {name.strip().lower() for name in packed.headers["vary"].split(",")}
    assert packed.headers["etag"] != plain.headers["etag"]
    again = client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304
