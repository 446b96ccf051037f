"""HiPS and MOCs over HTTP: what is sent, and who gets it."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from astropy.io import fits
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.table_order import TableOrder
from bowerbird_services.app import create
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.site import Site
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.vo.jobs import JobStore
from mocpy import MOC

from tests.services.gallery import cube, gallery_platform
from tests.services.serving import served
from tests.services.test_dali import MEMBER, refused
from tests.support.sky_images import tangent, waves, write

STRANGER = {"Authorization": "Bearer token-of-stranger"}


# Right ascension of the images of each release, degrees.
CENTRES = {"dr1": 150.1, "dr2": 20.0}


def drawn(place: Path) -> Path:
    """Draw the surveys of the releases whose images lie below a folder, and return where they are."""
    releases = [{"collection": "demo", "release": name, "directory": str(place / name)} for name in CENTRES]
    assert run(TableOrder.model_validate({"releases": releases}), place / "made", print) == 0
    return place / "made"


def asking(site: Site, jobs: JobStore, root: Path) -> Iterator[httpx.Client]:
    """A client of a service that has these surveys."""
    site.surveys = root
    with served(create(site, jobs)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surveys of two releases: `dr1` is everybody's, `dr2` a team's."""
    place = tmp_path_factory.mktemp("surveys")
    for name, ra in CENTRES.items():
        write(place / name / "field.fits", waves(60, 60), tangent(60, 60, centre=(ra, 2.2)))
    return drawn(place)


@pytest.fixture
def client(site: Site, jobs: JobStore, root: Path) -> Iterator[httpx.Client]:
    yield from asking(site, jobs, root)


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


def test_an_address_that_can_be_of_no_survey_says_where_they_are(client: httpx.Client) -> None:
    refused(client.get("/hips/nope"), 404, "a survey is at hips/COLLECTION/RELEASE, and hips/hipslist names all")
    for path in ("/hips/", "/moc/a/b/c"):
        refused(client.get(path), 404, "there is nothing at this address")


def test_the_address_of_a_survey_leads_a_person_to_its_page(client: httpx.Client) -> None:
    for address in ("/hips/demo/dr1", "/hips/demo/dr1/", "/hips/demo/none"):
        answer = client.get(address)
        assert answer.status_code == 303
        assert answer.next_request is not None
        assert answer.next_request.url.path == f"/collections/{address.split('/')[2]}"


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surveys of two releases with images in several bands: `dr1` is everybody's, `dr2` a team's."""
    place = tmp_path_factory.mktemp("coloured")
    for name, ra in CENTRES.items():
        write(place / name / "r.fits", waves(60, 60), tangent(60, 60, centre=(ra, 2.2), pixel=2e-3), FILTER="r")
        write(place / name / "g.fits", waves(60, 60) + 100, tangent(60, 60, centre=(ra + 1, 2.2)), FILTER="g'")
    cube(place / "dr1" / "cube.fits", CENTRES["dr1"], 2.2, step=1e-3, FILTER="blue")
    return drawn(place)


@pytest.fixture
def bands(site: Site, jobs: JobStore, coloured: Path) -> Iterator[httpx.Client]:
    yield from asking(site, jobs, coloured)


def test_each_band_of_a_release_is_listed_as_a_survey_of_its_own(bands: httpx.Client) -> None:
    address = f"{bands.base_url}".rstrip("/") + "/hips"
    listed = records(bands.get("/hips/demo/dr1/hipslist").text)
    assert listed == records(bands.get("/hips/hipslist").text)
    assert [record["obs_title"] for record in listed] == ["Demo: First, r", "Demo: First, g'", "Demo: First, blue"]
    assert [record["bowerbird_band"] for record in listed] == ["r", "g'", "blue"]
    services = [record["hips_service_url"] for record in listed]
    assert [services[0], services[2]] == [f"{address}/demo/dr1/r", f"{address}/demo/dr1/blue"]
    assert services[1].startswith(f"{address}/demo/dr1/g-")
    assert len({record["creator_did"] for record in listed}) == 3
    for record, service in zip(listed, services, strict=True):
        (told,) = records(bands.get(f"{service}/properties").text)
        assert told == {name: value for name, value in record.items() if name != "hips_service_url"}
        assert told["creator_did"] == f"ivo://x-bowerbird{service.removeprefix(address)}/hips"
        assert told["obs_collection"] == "demo/dr1"
    known = {record["bowerbird_band"]: record for record in listed}
    assert "em_min" not in known["r"]
    assert "obs_regime" not in known["r"]
    assert (known["blue"]["em_min"], known["blue"]["em_max"], known["blue"]["obs_regime"]) == ("4.95e-07", "5.75e-07", "Optical")


def test_each_band_has_its_own_tiles_and_the_release_those_of_its_first(bands: httpx.Client, coloured: Path, tmp_path: Path) -> None:
    def covered(path: str) -> MOC:
        (tmp_path / "moc.fits").write_bytes(bands.get(path).raise_for_status().content)
        return MOC.load(tmp_path / "moc.fits", "fits")

    names = [one.name for one in surveys.read(surveys.folder_of(coloured, "demo", "dr1")).surveys]
    each = [covered(f"/hips/demo/dr1/{name}/Moc.fits") for name in names]
    assert covered("/hips/demo/dr1/Moc.fits") == each[0]
    assert covered("/moc/demo/dr1") == covered("/moc/demo") == each[0].union(each[1]).union(each[2])
    tiles = {bands.get(f"/hips/demo/dr1/{name}/Norder3/Allsky.png").content for name in names}
    assert len(tiles) == 3
    assert bands.get("/hips/demo/dr1/Norder3/Allsky.png").content == bands.get(f"/hips/demo/dr1/{names[0]}/Norder3/Allsky.png").content
    for address in ("/hips/demo/dr1/r", "/hips/demo/dr1/r/"):
        assert bands.get(address).status_code == 303
    for path in (
        "/hips/demo/dr1/i/properties",
        "/hips/demo/dr1/r/survey.json",
        "/hips/demo/dr1/r/r/properties",
        "/hips/demo/dr1/r/hipslist",
    ):
        refused(bands.get(path), 404, "there is no such file")


@pytest.mark.parametrize("path", ["r/properties", "r/Moc.fits", "r/Norder3/Allsky.png", "hipslist", "i/properties", "properties"])
def test_a_band_of_a_closed_release_is_there_for_its_team_alone(bands: httpx.Client, path: str) -> None:
    path = f"/hips/demo/dr2/{path}"
    for headers in ({}, STRANGER):
        answer = bands.get(path, headers=headers)
        refused(answer, 404)
        # Neither a release nor a band of it is told of.
        assert answer.text == bands.get("/hips/demo/none/properties", headers=headers).text
    answer = bands.get(path, headers=MEMBER)
    assert answer.status_code == (404 if "/i/" in path else 200)
    assert answer.headers["cache-control"] == "private, no-store"


def test_who_leaves_the_team_has_its_bands_no_more_from_the_next_tile_on(bands: httpx.Client, site: Site) -> None:
    assert bands.get("/hips/demo/dr2/r/Norder3/Allsky.png", headers=MEMBER).status_code == 200
    site.identities.records.take({"kind": "identity", "record": IdentityRecord(1, "member", 600_000, 600_000, ()).to_json()})
    for path in ("r/Norder3/Allsky.png", "r/properties", "hipslist"):
        refused(bands.get(f"/hips/demo/dr2/{path}", headers=MEMBER), 404)
    assert "dr2" not in bands.get("/hips/hipslist", headers=MEMBER).text


def test_what_was_drawn_before_of_all_bands_together_is_still_served(site: Site, jobs: JobStore, coloured: Path, tmp_path: Path) -> None:
    site.surveys = shutil.copytree(coloured, tmp_path / "before")
    folder = surveys.folder_of(site.surveys, "demo", "dr1")
    one = asdict(surveys.read(folder).surveys[0])
    sidecar.replace_json(folder / surveys.NAME, {name: one[name] for name in one if name not in {"band", "waves"}} | {"left_out": []})
    with served(create(site, jobs)) as address:
        (told,) = records(httpx.get(f"{address}/hips/demo/dr1/properties").text)
        assert told["creator_did"] == "ivo://x-bowerbird/demo/dr1/hips"
        assert httpx.get(f"{address}/hips/demo/dr1/Norder3/Allsky.png").status_code == 200


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
