"""The real demo releases as each demo account meets them: every link of every product leads somewhere, and every cutout is one."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import bowerbird
import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.io.votable.tree import VOTableFile
from astropy.table import Table
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.load import load
from bowerbird_config.platform import Platform
from demo_releases import ngc
from demo_releases.originals import Stock
from demo_releases.releases import RELEASES

from tests.services.gallery import Gallery, gallery
from tests.support.sessions import forget

ROOT = Path(__file__).parents[2]
DOWNLOADS = Path(os.environ.get("BOWERBIRD_DEMO_DATA") or ROOT / ".bowerbird/demo-data")
DEFAULT = load(ROOT / "config/default/platform.yaml")
assert DEFAULT.sign_on.demo is not None
ACCOUNTS = tuple(DEFAULT.sign_on.demo.accounts)
CLOSED = "a478/ifs-dr1"
READERS = {"researcher", "owner"}
# What the releases hold, by kind; the tables are no products.
OPEN = {"image": 5, "spectrum": 6}
ALL = {"image": 6, "spectrum": 6, "cube": 1}


def lay(root: Path) -> None:
    """Lay the images, cubes and spectra of each release as the recipe does, and not the tables that are made of them."""
    for release in RELEASES:
        place = root / release.collection / release.name
        place.mkdir(parents=True)
        tables = {table.file for table in DEFAULT.collections[release.collection].releases[release.name].tables.values()}
        for product in release.products:
            if product.name not in tables:
                product.make(Stock(DOWNLOADS), place / product.name)


def platform() -> Platform:
    """Return the demo platform, whose closed release does not open while the tests are run."""
    told = DEFAULT.model_dump(mode="json", exclude_defaults=True)
    told["collections"]["a478"]["releases"]["ifs-dr1"]["public_on"] = "2100-01-01T00:00:00Z"
    return Platform.model_validate(told)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    if not DOWNLOADS.is_dir():
        pytest.skip("needs the packages with the data: ./bowerbird up unpacks them into .bowerbird/demo-data")
    known = platform()
    with gallery(tmp_path_factory.mktemp("demo"), known, before=lay) as shown:
        for number, name in enumerate(ACCOUNTS, 10):
            found = known.identity(name, known.directory_groups(name))
            record = IdentityRecord(number, name, 610_000 + number, 610_000 + number, found.memberships, admin=found.admin)
            shown.known.records.take({"kind": "identity", "record": record.to_json()})
        yield shown


def asked(demo: Gallery, who: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer token-of-{who}"} if who else {}
    return httpx.Client(base_url=demo.address, timeout=60, headers=headers)


def observed(client: httpx.Client) -> Table:
    """Return all that somebody finds in ObsCore."""
    query = {"LANG": "ADQL", "QUERY": "SELECT * FROM ivoa.obscore", "RESPONSEFORMAT": "votable/td"}
    return parse(io.BytesIO(client.get("/tap/sync", params=query).raise_for_status().content)).get_first_table().to_table()


def linked(client: httpx.Client, names: list[str]) -> VOTableFile:
    return parse(io.BytesIO(client.post("/datalink/links", data={"ID": names}).raise_for_status().content))


def kinds(found: Table) -> dict[str, int]:
    names, counts = np.unique(np.asarray(found["dataproduct_type"], str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("who", [None, *ACCOUNTS])
def test_no_link_is_dead_and_every_cutout_is_one(demo: Gallery, who: str | None) -> None:
    with asked(demo, who) as client, asked(demo, "owner") as owner:
        found = observed(client)
        assert kinds(found) == (ALL if who in READERS else OPEN)
        for address in found["access_url"]:
            assert client.head(address).status_code == 200, address
        everything = list(observed(owner)["obs_publisher_did"])
        document = linked(client, everything)
        rows = document.get_first_table().to_table()
        services = {resource.ID: resource for resource in document.resources if resource.type == "meta"}
        assert set(rows["ID"]) == set(everything)
        closed = {row["ID"]: row["error_message"] for row in rows if row["error_message"]}
        assert set(closed) == set(everything) - set(found["obs_publisher_did"])
        assert all("until 2100-01-01" in message for message in closed.values())
        for row in rows:
            if row["access_url"]:
                _leads_somewhere(client, row)
        cut = {row["ID"]: services[row["service_def"]] for row in rows if row["service_def"]}
        for product in found:
            assert (product["obs_publisher_did"] in cut) == (product["dataproduct_type"] in {"image", "cube"})
            if product["obs_publisher_did"] in cut:
                _cuts(client, cut[product["obs_publisher_did"]], product)


def _leads_somewhere(client: httpx.Client, row: Table.Row) -> None:
    assert row["link_authorized"]
    told = client.head(row["access_url"])
    assert (told.status_code, told.headers["content-type"].partition(";")[0]) == (200, row["content_type"].partition(";")[0]), row
    if row["semantics"] == "#this":
        assert int(told.headers["content-length"]) == row["content_length"]


def _cuts(client: httpx.Client, service: object, product: Table.Row) -> None:
    """Ask the service of a descriptor for three pixels around the middle of a product."""
    address = next(param.value for param in service.params if param.name == "accessURL")  # type: ignore[attr-defined]
    name = next(param.value for param in service.groups[0].entries if param.name == "ID")  # type: ignore[attr-defined]
    assert name == product["obs_publisher_did"]
    radius = 3 * product["s_fov"] / np.hypot(product["s_xel1"], product["s_xel2"])
    answer = client.get(address, params={"ID": name, "CIRCLE": f"{product['s_ra']} {product['s_dec']} {radius:.9f}"})
    assert answer.status_code == 200, answer.text
    with fits.open(io.BytesIO(answer.content)) as file:
        values = next(hdu.data for hdu in file if hdu.data is not None and hdu.data.ndim > 1)
        assert 4 <= values.shape[-1] <= 9
        assert np.isfinite(values).any()


@pytest.mark.parametrize("who", [None, "visitor", "admin"])
def test_nothing_of_the_closed_release_is_had_by_its_address(demo: Gallery, who: str | None) -> None:
    with asked(demo, who) as client, asked(demo, "owner") as owner:
        mine = [row for row in observed(owner) if row["obs_collection"] == CLOSED]
        rows = linked(owner, [row["obs_publisher_did"] for row in mine]).get_first_table().to_table()
        paths = [*(row["access_url"] for row in mine if row["dataproduct_type"] == "spectrum"), *filter(None, rows["access_url"])]
        paths += [f"/soda/sync?ID={name.replace('?', '%3F')}" for name in rows["ID"][:1]]
        assert len(paths) >= 6
        for path in paths:
            assert owner.head(path).status_code == 200, path
            assert client.get(path).status_code == 403, path


@pytest.fixture
def notebook(demo: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a kernel has around it: the services, and of `/data` what names are looked up in."""
    catalogue = ngc.RELEASE.products[0]
    folder = tmp_path / "releases/ngc/dr1"
    folder.mkdir(parents=True)
    catalogue.make(Stock(DOWNLOADS), folder / catalogue.name)
    places = {"BOWERBIRD_DATA": tmp_path, "XDG_CACHE_HOME": tmp_path / "cache", "XDG_STATE_HOME": tmp_path / "state"}
    for name, place in places.items():
        monkeypatch.setenv(name, str(place))
    monkeypatch.setenv("BOWERBIRD_TAP_URL", f"{demo.address}/tap")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-researcher")
    forget()
    yield
    forget()


@pytest.mark.usefixtures("notebook")
def test_the_images_in_the_page_for_researchers_are_found_linked_and_cut() -> None:
    page = (ROOT / "docs/researchers.md").read_text()
    (lines,) = re.findall(r"^## Images of any archive\n\n((?:    .*\n)+)", page, re.MULTILINE)
    names: dict[str, object] = {"bowerbird": bowerbird}
    exec(dedent(lines), names)  # noqa: S102  # the page is ours
    made = names["made"]
    assert isinstance(made, Table)
    assert made["reason"].tolist() == [""]
    assert made["cutout"][0].data.size > 0
