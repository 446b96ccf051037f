"""Origins: names of owners as names of hosts, and what answers for a host that is nobody's."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.user_names import fault
from bowerbird_hub.origins import Origins, label_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hub import RunningHub, running_hub
from tests.support.names import OwnMachine, owners_url
from tests.support.platforms import described

TLS = {"tls": {"certificate": "/c", "key": "/k"}}
NAMES = st.from_regex(re.compile(r"[a-z0-9_][a-z0-9_.@+-]{0,63}"), fullmatch=True)
# Names that differ in what DNS does not take, where labels could fall together.
ALIKE = st.text("a-_.", min_size=1, max_size=5).map(lambda text: f"a{text}")


@given(NAMES)
def test_every_name_has_a_label_that_dns_and_browsers_take(name: str) -> None:
    assert fault(name) is None or name.startswith(("team-", "bowerbird-", "service-")) or name in {"root", "self"}
    label = label_of(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label)
    # In the third and fourth place two hyphens would say that it is written in another alphabet.
    assert label[2:4] != "--"


@given(NAMES | ALIKE, NAMES | ALIKE)
def test_two_names_never_have_one_label(one: str, other: str) -> None:
    assert (label_of(one) == label_of(other)) == (one == other)


@pytest.mark.parametrize("name", ["a.b", "a_b", "a@b", "a+b", "ab-", "a--b", "_", "u-ab--0123", "xn--ab", "a" * 64])
def test_label_of_what_dns_does_not_take_is_no_label_of_another_name(name: str) -> None:
    label = label_of(name)
    assert label != name
    assert label_of(label) != label


@pytest.mark.parametrize(
    ("runtime", "port", "hub", "owner", "servers"),
    [
        ({}, 8000, "http://localhost:8000", "http://ann.localhost:8000", "http://*.localhost:8000"),
        ({"address": "::1"}, 80, "http://localhost", "http://ann.localhost", "http://*.localhost"),
        (
            {"address": "0.0.0.0", "host": "data.example.org", **TLS},  # noqa: S104  named, not bound
            443,
            "https://data.example.org",
            "https://ann.data.example.org",
            "https://*.data.example.org",
        ),
        (TLS, 8443, "https://localhost:8443", "https://ann.localhost:8443", "https://*.localhost:8443"),
    ],
)
def test_origins_are_written_as_browsers_write_them(runtime: dict[str, Any], port: int, hub: str, owner: str, servers: str) -> None:
    own = Origins.of(Platform.model_validate(described(runtime=runtime)), port)
    assert (own.hub, own.of_owner("ann"), own.of_servers) == (hub, owner, servers)


def test_service_has_a_host_that_no_user_can_have() -> None:
    own = Origins("http", "localhost", 8000)
    assert own.domain("vo", kind="service") == "service--vo.localhost"
    assert label_of("service--vo") != "service--vo"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path_factory.mktemp("origins") / "var")) as hub:
        yield hub


@pytest.fixture
def stranger() -> Iterator[httpx.Client]:
    with httpx.Client(transport=OwnMachine(), timeout=30) as client:
        yield client


@pytest.mark.root
@pytest.mark.parametrize("path", ["", "hub/home", "hub/api/users", "user/owner/lab?reset", "hub/login?next=%2F%2Fevil.example.org"])
@pytest.mark.parametrize("host", ["127.0.0.1", "owner.localhost", "nobody.localhost"])
def test_hubs_pages_stand_under_its_own_name_alone(hub: RunningHub, stranger: httpx.Client, host: str, path: str) -> None:
    answer = stranger.get(f"http://{host}:{hub.ports.public}/{path}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"{hub.url}{path}")
    assert "set-cookie" not in answer.headers


@pytest.mark.root
@pytest.mark.parametrize("path", ["//evil.example.org/", "/\\evil.example.org", "/%2f%2fevil.example.org", "/%0d%0aSet-Cookie:%20a=b"])
def test_no_path_leads_away_from_the_hub(hub: RunningHub, stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(f"http://nobody.localhost:{hub.ports.public}{path}")
    assert httpx.URL(answer.headers["location"]).netloc == httpx.URL(hub.url).netloc
    assert "set-cookie" not in answer.headers


@pytest.mark.root
@pytest.mark.parametrize(("method", "headers"), [("POST", {}), ("DELETE", {}), ("PUT", {}), ("GET", {"Sec-Fetch-Mode": "cors"})])
def test_page_of_a_server_that_does_not_run_is_told_so(
    hub: RunningHub, stranger: httpx.Client, method: str, headers: dict[str, str]
) -> None:
    answer = stranger.request(method, owners_url(hub.url, "owner") + "user/owner/api/kernels", headers=headers)
    assert answer.status_code == httpx.codes.FAILED_DEPENDENCY
    assert answer.json()["message"] == f"No server runs at this address. Servers are started at {hub.url}"


@pytest.mark.root
def test_bookmark_on_the_hubs_name_leads_to_the_server(hub: RunningHub) -> None:
    person = hub.sign_in("researcher")
    person.start("minimal")
    answer = person.get("user/researcher/lab")
    assert answer.status_code == httpx.codes.OK
    assert str(answer.url).startswith(owners_url(hub.url, "researcher"))
    hosts = {(cookie.name.split("-")[0], cookie.domain) for cookie in person.client.cookies.jar}
    # http.cookiejar writes a host without a dot with `.local` behind it.
    assert ("jupyterhub", "localhost.local") in hosts
    assert not any(cookie.domain_specified for cookie in person.client.cookies.jar)


@pytest.mark.root
def test_program_elsewhere_speaks_to_a_server_with_a_token(hub: RunningHub, stranger: httpx.Client) -> None:
    person = hub.sign_in("visitor")
    person.start("minimal")
    made = person.api("POST", "users/visitor/tokens", {"note": "a laptop", "scopes": ["access:servers!user=visitor"]}).json()
    address = f"{owners_url(hub.url, 'visitor')}user/visitor/api/contents/"
    assert stranger.get(address).status_code == httpx.codes.FORBIDDEN
    told = stranger.get(address, headers={"Authorization": f"token {made['token']}"})
    assert (told.status_code, told.json()["type"]) == (httpx.codes.OK, "directory")
