"""A platform at a host of its own, with TLS: names below it are of one site, and plant cookies for it; the hub's have a prefix."""

from collections.abc import Iterator

import pytest
from bowerbird_config.paths import Var

from tests.support.browser import CHROMIUM, chromium, sign_in
from tests.support.certificates import certificate
from tests.support.hub import PLATFORM, Person, RunningHub, running_hub
from tests.support.names import HERE, HOST, owners_url

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
PLANT = f"""() => {{
    for (const name of ['__Host-jupyterhub-hub-login', 'jupyterhub-hub-login', 'jupyterhub-session-id', '_xsrf'])
        for (const path of ['/', '/hub/'])
            document.cookie = `${{name}}=planted; Domain={HOST}; Path=${{path}}; Secure`;
}}"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    place = tmp_path_factory.mktemp("named")
    public, private = certificate(place, HOST, f"*.{HOST}")
    private.chmod(0o644)  # the proxy's uid is not ours
    tls = f"runtime:\n  host: {HOST}\n  tls: {{certificate: '{public}', key: '{private}'}}\n"
    with running_hub(Var(place / "var"), PLATFORM.replace("runtime:\n", tls), tls=(public, private)) as hub:
        yield hub


@pytest.fixture(scope="module")
def owner(hub: RunningHub) -> Person:
    person = hub.sign_in("owner")
    person.start("minimal")
    return person


def test_every_sign_in_has_the_prefix_and_stays_at_its_host(owner: Person) -> None:
    assert owner.server_api("POST", "kernels", {"name": "python3"}).status_code == 201
    found = list(owner.client.cookies.jar)
    assert {cookie.name for cookie in found if cookie.name.startswith("__Host-")} >= {"__Host-jupyterhub-hub-login"}
    assert not any(cookie.domain_specified for cookie in found)


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_cookies_that_another_host_plants_are_not_the_hubs(hub: RunningHub, owner: Person) -> None:
    with chromium(f"--host-resolver-rules=MAP *.{HOST} {HERE}, MAP {HOST} {HERE}") as browser:
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        sign_in(page, hub.url, "admin")
        page.goto(owners_url(hub.url, "owner") + "user/owner/static/favicon.ico")
        page.evaluate(PLANT)
        sent = [(cookie["name"], cookie["domain"]) for cookie in context.cookies(f"{hub.url}hub/")]
        assert ("jupyterhub-session-id", f".{HOST}") in sent
        assert [domain for name, domain in sent if name == "__Host-jupyterhub-hub-login"] == [HOST]
        page.goto(f"{hub.url}hub/home")
        assert "admin" in page.inner_text(".who")
