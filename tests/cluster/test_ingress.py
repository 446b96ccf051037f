"""The chart behind an Ingress of Traefik's with TLS, beside another install: two people in browsers query, cut and look."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.hub.runtime_contract import until
from tests.support import sky_images
from tests.support.browser import CHROMIUM, chromium, visit
from tests.support.cluster import ingress
from tests.support.cluster.cluster import NODES
from tests.support.cluster.hub import ClusterHub, answers
from tests.support.cluster.machine import wait_for
from tests.support.cluster.platform_images import archive_of, name_of
from tests.support.cluster.release import Release, install, values_for_tests
from tests.support.cluster.services import await_tables
from tests.support.lab_pages import await_picture, outputs, run_all, sign_in, sign_out, start, stop, write_notebook
from tests.support.names import HOST, OwnMachine, owners_url

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400, func_only=True)]
NAME = "second"
# Not the first install's.
STORAGE = "/srv/second"
RELEASES = f"{STORAGE}/releases/sky"
OWN = re.compile(rf"^(https|wss)://([a-z0-9-]+\.)?{re.escape(HOST)}/|^(data|blob|about):")
TABLES = {"stars": {"file": "stars.csv", "title": "Stars"}}
COLLECTIONS = {
    "sky": {
        "title": "Sky",
        "releases": {
            "dr1": {"title": "Everybody's", "public": True, "tables": TABLES},
            "dr2": {"title": "The team's", "teams": ["craft"], "tables": TABLES},
        },
    }
}
# Python believes in the certificates of this file, as in an institute whose certificates are its own.
VARIABLES = {"SSL_CERT_FILE": "/data/releases/sky/dr1/authority.pem"}
CELLS = (
    "import bowerbird, os, pathlib\nsky = pathlib.Path('/data/releases/sky'); print('releases:', sorted(os.listdir(sky)))",
    "stars = bowerbird.query('SELECT id, ra, dec FROM sky_dr1.stars ORDER BY id'); print(len(stars), 'stars')",
    "made = bowerbird.cutouts(stars, '20 arcsec', '/data/releases/sky/dr1/field.fits'); print(made['cutout'][0].data.shape)",
    "made['cutout'][0]",
    """
try:
    print(len(bowerbird.query('SELECT id FROM sky_dr2.stars')), 'of the team')
except bowerbird.ServiceError as error:
    print('refused:', error)
""",
)


def values() -> dict[str, Any]:
    """Return the values of one server with k3s, as docs/k3s.md has them, with the demo's accounts."""
    told = values_for_tests()
    told["ingress"] = {"host": HOST, "tls": {"secretName": ingress.SECRET}}
    told["data"]["storage"] = {"hostPath": STORAGE}
    told["users"]["images"] = {"lab": name_of("research")}
    told["platform"]["collections"] = COLLECTIONS
    told["platform"]["profiles"]["minimal"]["variables"] = VARIABLES
    return told


def put(releases: Path, authority: Path) -> None:
    """Write the releases where a node has them."""
    for number, name in enumerate(("dr1", "dr2"), start=1):
        sky_images.write(releases / name / "field.fits", sky_images.waves(60, 60), sky_images.tangent(60, 60))
        rows = (f"{row},{150.1 + row / 1000},2.2\n" for row in range(10 * number))
        (releases / name / "stars.csv").write_text(f"id,ra,dec\n{''.join(rows)}")
    (releases / "dr1/authority.pem").write_bytes(authority.read_bytes())


@pytest.fixture(scope="module")
def second(shared_release: Release) -> Iterator[Release]:
    """Another release beside the run's, behind an Ingress."""
    cluster = shared_release.cluster
    put(cluster.machines[NODES[0]].disk / RELEASES.lstrip("/"), ingress.authority(cluster))
    for part in ("services", "research"):
        cluster.load(archive_of(part), NODES[0])
    ingress.give_certificate(cluster, NAME)
    with ingress.traefik(cluster), install(cluster, NAME, values()) as installed, stranger(installed) as client:
        wait_for(lambda: answers(client), "the hub at the Ingress", 240, every=0.2)
        await_tables(installed, 2)
        yield installed


def stranger(release: Release) -> httpx.Client:
    """Return a browser without a window, which is told where the host is, and follows nothing."""
    cluster = release.cluster
    transport = OwnMachine(ingress.authority(cluster), str(cluster.door))
    return httpx.Client(base_url=release.url, transport=transport, timeout=30)


@pytest.fixture(scope="module")
def browser(second: Release) -> Iterator[Browser]:
    with chromium(*ingress.browser_arguments(second.cluster)) as running:
        yield running


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
@pytest.mark.parametrize(
    ("account", "releases", "of_the_team"),
    [("researcher", ["dr1", "dr2"], "20 of the team\n"), ("visitor", ["dr1"], "refused: ")],
)
def test_a_person_signs_in_at_the_ingress_queries_cuts_and_sees_what_is_theirs(
    second: Release, browser: Browser, tmp_path: Path, account: str, releases: list[str], of_the_team: str
) -> None:
    hub = ClusterHub(second)
    with visit(browser, tmp_path, OWN) as seen:
        sign_in(seen, hub, account)
        start(seen, "minimal")
        assert seen.page.url.startswith(owners_url(second.url, account))
        write_notebook(seen.page, "look", *CELLS)
        run_all(seen.page)
        await_picture(seen.page)
        told = outputs(seen.page)
        assert f"releases: {releases}\n" in told
        assert "10 stars\n" in told
        assert of_the_team in told
        signed_in = {cookie["name"]: cookie["secure"] for cookie in seen.page.context.cookies() if "jupyterhub" in cookie["name"]}
        assert len(signed_in) > 1
        assert all(signed_in.values()), signed_in
        stop(seen, hub)
        sign_out(seen, hub)


def test_nobody_is_answered_without_tls_and_no_other_host_at_all(second: Release) -> None:
    with stranger(second) as client:
        plain = client.get(f"http://{HOST}/hub/login?next=/hub/home")
        assert (plain.is_redirect, plain.headers["location"]) == (True, f"{second.url}hub/login?next=/hub/home")
        # Names of nobody's servers lead to the hub; what the Ingress does not name is not ours.
        assert client.get(f"https://nobody.{HOST}/").headers["location"] == second.url
        for host in ("example.org", f"one.more.{HOST}"):
            assert client.get("/", headers={"Host": host}).status_code == httpx.codes.NOT_FOUND
    address = str(second.cluster.door)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.get_server_certificate((address, 443), ca_certs=str(ingress.authority(second.cluster)))


def test_the_hub_hears_of_the_persons_own_address_whatever_they_say_themselves(second: Release) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "example.org"}
    with stranger(second) as client:
        client.get("hub/nowhere", headers=forged)
    # A line is written when the answer is on its way.
    (line,) = until(lambda: [line for line in ClusterHub(second).log().splitlines() if "GET /hub/nowhere" in line])
    assert f"@{second.cluster.addresses.host})" in line
