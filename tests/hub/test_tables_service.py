"""The tables' service under a real hub: reached through its proxy, it knows whose a token is and answers by the access decision."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pyvo
import requests
from bowerbird.errors import SignInNeeded
from bowerbird.vo.http import HTTP
from bowerbird.vo.jobs import Job
from bowerbird.vo.records import Record, Records
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird.vo.uws import Phase
from bowerbird_config.paths import Var
from bowerbird_hub.runtimes.sandbox import SERVICES_ID
from bowerbird_hub.supervision.processes import environment, living
from bowerbird_hub.supervision.status import _of_tables

from tests.services.stopping import needs_two_cores, stopped
from tests.services.waiting import until
from tests.support import surveys
from tests.support.browser import CHROMIUM, chromium, sign_in, visit
from tests.support.hub import PLATFORM, Person, RunningHub, running_hub
from tests.support.page_lines import lack_of_stilts, lines_of, run
from tests.support.shelves import put, stars
from tests.support.vo_service import COUNT, SCOPE, token

pytestmark = pytest.mark.root
COLLECTIONS = """
collections:
  sky:
    title: Sky
    releases:
      dr1: {title: Everybody's, public: true}
      dr2: {title: The team's, teams: [eso]}
"""
READY_SECONDS = 60


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    var = Var(tmp_path_factory.mktemp("tables") / "var")
    with running_hub(var, PLATFORM + COLLECTIONS) as hub:
        for release, rows in (("dr1", 100), ("dr2", 50)):
            put(var.tables, ("sky", release), "stars", stars(rows))
            surveys.put(var.surveys, ("sky", release), surveys.cone())
        for place in (var.tables, var.surveys):
            for path in place.rglob("*"):
                os.chown(path, SERVICES_ID, SERVICES_ID)
        deadline = time.monotonic() + READY_SECONDS
        while httpx.get(tap(hub, "availability")).status_code != 200:
            assert time.monotonic() < deadline, f"the service does not answer:\n{hub.log()[-4000:]}"
            time.sleep(0.1)
        yield hub


def tap(hub: RunningHub, path: str = "") -> str:
    return f"{hub.url}services/vo/tap/{path}".rstrip("/")


def count(hub: RunningHub, release: str, secret: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    asked = {"LANG": "ADQL", "QUERY": COUNT.format(release), "RESPONSEFORMAT": "csv"}
    return httpx.get(tap(hub, "sync"), params=asked, headers=headers, timeout=30)


def test_anonymous_sees_what_is_public_and_nothing_else(hub: RunningHub) -> None:
    assert count(hub, "dr1").text.split() == ['"n"', "100"]
    hidden, absent = count(hub, "dr2"), count(hub, "dr9")
    assert hidden.status_code == absent.status_code == 400
    assert hidden.text.replace("dr2", "dr9") == absent.text
    assert "sky_dr2" not in httpx.get(tap(hub, "tables")).text


def test_member_of_the_team_sees_its_table_until_the_membership_ends(hub: RunningHub) -> None:
    member = hub.sign_in("researcher")
    secret, _ = token(member)
    assert count(hub, "dr2", secret).text.split() == ['"n"', "50"]
    with no_member(hub, secret):
        until(lambda: count(hub, "dr2", secret).status_code == 400)
        assert count(hub, "dr1", secret).status_code == 200


@contextmanager
def no_member(hub: RunningHub, secret: str) -> Iterator[None]:
    """Let somebody be no member of the team for a while."""
    hub.edit((PLATFORM + COLLECTIONS).replace("members: [researcher]", "members: [outsider]"))
    try:
        yield
    finally:
        hub.edit(PLATFORM + COLLECTIONS)
        until(lambda: count(hub, "dr2", secret).status_code == 200)


def refused_soon(refused: Callable[[], bool]) -> None:
    """Look that nothing is answered that is asked later than a second from now, however long the answers take."""
    revoked = asked = time.monotonic()
    while not refused():
        assert asked - revoked < 1.5, "the token is still taken"
        asked = time.monotonic()


def test_token_that_is_revoked_is_of_no_use_within_a_second(hub: RunningHub) -> None:
    owner = hub.sign_in("owner")
    secret, identifier = token(owner)
    assert count(hub, "dr2", secret).status_code == 200
    assert owner.api("DELETE", f"users/owner/tokens/{identifier}").status_code == 204
    refused_soon(lambda: count(hub, "dr2", secret).status_code == 401)


def test_job_whose_token_ends_in_the_middle_is_told_and_found_again_with_the_next(hub: RunningHub, tmp_path: Path) -> None:
    owner, records = hub.sign_in("owner"), Records(tmp_path)
    stars = ", ".join(f"sky_dr2.stars AS s{number}" for number in range(8))
    endless = f"SELECT COUNT(*) AS n FROM {stars} WHERE s0.ra * s1.dec > s2.ra * s3.dec + s4.ra * s5.dec * s6.ra * s7.dec"  # noqa: S608

    async def ask(secret: str) -> None:
        async with HTTP(Tokens({tap(hub): secret})) as http:
            await TAP(http, tap(hub), records).ask(Question(endless, background=True), seconds=60)

    async def end(secret: str, record: Record) -> None:
        async with HTTP(Tokens({tap(hub): secret})) as http:
            job = Job.found(http, record, records)
            assert (await job.state()).phase is Phase.EXECUTING
            await job.delete()

    with pytest.raises(SignInNeeded, match=r"does not take the token that it got: .* has ended"):
        asyncio.run(ask(token(owner, seconds=3)[0]))
    (record,) = records.all()
    asyncio.run(end(token(owner)[0], record))
    assert not records.all()


def test_token_for_something_else_is_not_taken(hub: RunningHub) -> None:
    other, _ = token(hub.sign_in("owner"), "read:users:name!user")
    assert count(hub, "dr1", other).status_code == 401
    assert count(hub, "dr1", "nonsense").status_code == 401


def test_pyvo_signs_in_with_a_token(hub: RunningHub) -> None:
    secret, _ = token(hub.sign_in("owner"))
    with httpx.Client(auth=("owner", secret)) as client:
        assert client.get(tap(hub, "capabilities")).headers["x-vo-authenticated"] == "owner"
    with requests.Session() as signed:
        signed.headers["Authorization"] = f"Bearer {secret}"
        table = pyvo.dal.TAPService(tap(hub), session=signed).run_sync(COUNT.format("dr2")).to_table()
    assert table["n"].tolist() == [50]


def test_files_of_releases_are_sent_to_those_who_may_read_them(hub: RunningHub) -> None:
    for release in ("dr1", "dr2"):
        place = hub.var.releases / "sky" / release
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        (place / "note.txt").write_text(release)
    assert httpx.get(f"{hub.url}services/vo/products/sky/dr1/note.txt").text == "dr1"
    team = f"{hub.url}services/vo/products/sky/dr2/note.txt"
    assert httpx.get(team).status_code == 404
    secret, _ = token(hub.sign_in("owner"))
    assert httpx.get(team, headers={"Authorization": f"Bearer {secret}"}).text == "dr2"


def test_surveys_are_sent_to_those_who_may_read_the_release(hub: RunningHub) -> None:
    def listed(headers: dict[str, str]) -> list[str]:
        told = httpx.get(f"{hub.url}services/vo/hips/hipslist", headers=headers).text
        return re.findall(r"hips_service_url += .*/services/vo/hips/sky/(\w+)", told)

    assert listed({}) == ["dr1"]
    team = f"{hub.url}services/vo/hips/sky/dr2/Moc.fits"
    assert httpx.get(team).status_code == 404
    secret, _ = token(hub.sign_in("owner"))
    signed = {"Authorization": f"Bearer {secret}"}
    assert listed(signed) == ["dr1", "dr2"]
    assert httpx.get(team, headers=signed).content.startswith(b"SIMPLE  =")


def test_pages_of_the_hub_are_still_the_hubs(hub: RunningHub) -> None:
    answer = httpx.get(f"{hub.url}services/vo/tap/capabilities")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert "set-cookie" not in answer.headers
    assert httpx.get(f"{hub.url}hub/login").status_code == 200


def test_status_names_where_tables_are() -> None:
    assert _of_tables("http://localhost:8000/", "tap") == "http://localhost:8000/services/vo/tap"
    assert _of_tables(None, "scs") is None


def xsrf(page: str) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page)
    assert found, page
    return found[1]


def connect(person: Person, until: str, note: str = "my laptop") -> httpx.Response:
    """Fill in the page's form and send it, as a browser would."""
    page = person.get("hub/connect")
    assert page.status_code == 200, page.text
    return person.client.post("hub/connect", data={"note": note, "until": until, "_xsrf": xsrf(page.text)})


def tomorrow() -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=1)}"


def identifier_of(page: str, note: str) -> str:
    found = re.search(rf'data-end="users/owner/tokens/([^"]+)" aria-label="Revoke {note}"', page)
    assert found, page
    return found[1]


def test_lines_of_the_page_connect_work_as_they_stand_and_end_with_the_token(hub: RunningHub, tmp_path: Path) -> None:
    owner = hub.sign_in("owner")
    made = connect(owner, tomorrow())
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    lines = lines_of(made.text)
    assert run(lines["keep"], tmp_path).returncode == 0
    assert (tmp_path / ".bowerbird.netrc").stat().st_mode & 0o777 == 0o600
    ways = ["pyvo", "curl", *([] if lack_of_stilts(signed=True) else ["stilts"])]
    for way in ways:
        done = run(lines[way], tmp_path)
        assert "sky_dr2" in done.stdout, f"{way}: {done.stdout}{done.stderr}"
    assert owner.api("DELETE", f"users/owner/tokens/{identifier_of(made.text, 'my laptop')}").status_code == 204
    until(lambda: "make one on the page Connect" in run(lines["curl"], tmp_path).stdout)
    for page in (owner.get("hub/connect").text, hub.log()):
        assert lines["token"] not in page
    assert "Revoke my laptop" not in owner.get("hub/connect").text


@pytest.mark.parametrize("day", ["", "yesterday", "2020-01-01", "2199-01-01"])
def test_token_for_tables_ends_within_the_hubs_limit(hub: RunningHub, day: str) -> None:
    refused = connect(hub.sign_in("owner"), day)
    assert refused.status_code == 400
    assert 'role="alert">The last day' in refused.text
    assert 'id="token"' not in refused.text


def test_token_is_made_by_the_pages_own_form_alone(hub: RunningHub) -> None:
    owner = hub.sign_in("owner")
    assert owner.client.post("hub/connect", data={"note": "forged", "until": tomorrow()}).status_code == 403
    assert "forged" not in owner.get("hub/connect").text


def test_token_of_the_page_opens_tables_and_nothing_else(hub: RunningHub) -> None:
    lines = lines_of(connect(hub.sign_in("owner"), tomorrow(), "scope").text)
    proof = {"Authorization": f"token {lines['token']}"}
    told = httpx.get(f"{hub.url}hub/api/user", headers=proof).json()
    # What JupyterHub adds to every token says who its owner is, and no more.
    assert [scope for scope in told["scopes"] if not scope.startswith("read:users:")] == [SCOPE]
    assert httpx.get(f"{hub.url}hub/api/users/owner/tokens", headers=proof).status_code in {403, 404}


def test_browser_signs_in_by_the_hub_and_sees_what_its_person_may(hub: RunningHub) -> None:
    page = f"{hub.url}services/vo/tables/sky_dr2.stars"
    assert httpx.get(page).status_code == 404
    public = httpx.get(f"{hub.url}services/vo/tables/sky_dr1.stars")
    assert public.status_code == 200
    owner = hub.sign_in("owner")
    assert owner.client.get(page).status_code == 404
    seen = owner.client.get(f"{hub.url}services/vo/sign-in", params={"next": "tables/sky_dr2.stars"})
    assert (seen.status_code, str(seen.url)) == (200, page)
    assert "owner · " in seen.text
    visitor = hub.sign_in("visitor")
    assert visitor.client.get(f"{hub.url}services/vo/sign-in", params={"next": "tables/sky_dr2.stars"}).status_code == 404
    owner.get("hub/logout")
    until(lambda: owner.client.get(page).status_code == 404)


def test_who_is_signed_in_at_the_hub_is_signed_in_at_the_pages_without_a_word(hub: RunningHub) -> None:
    page, browser = f"{hub.url}services/vo/tables/sky_dr2.stars", {"Accept": "text/html"}
    owner = hub.sign_in("owner")
    seen = owner.client.get(page, headers=browser)
    assert (seen.status_code, str(seen.url)) == (200, page)
    assert "owner · " in seen.text
    assert owner.client.get(page, headers=browser).history == []
    owner.get("hub/logout")
    until(lambda: owner.client.get(page, headers=browser).status_code == 404)
    # A session's cookie is no sign-in, and who shows an old one is asked for none.
    with hub.client() as nobody:
        nobody.cookies.set("jupyterhub-session-id", "old")
        public = nobody.get(f"{hub.url}services/vo/tables/sky_dr1.stars", headers=browser)
        assert (public.status_code, len(public.history)) == (200, 3)
        assert "Sign in" in public.text
        assert nobody.get(f"{hub.url}services/vo/", headers=browser).history == []


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_person_goes_from_the_hub_to_the_data_and_is_known_there_until_they_sign_out(hub: RunningHub, tmp_path: Path) -> None:
    with chromium() as browser, visit(browser, tmp_path) as seen:
        page = seen.page
        sign_in(page, hub.url, "owner")
        page.get_by_role("link", name="Data").click()
        page.get_by_role("heading", name="Data").wait_for()
        assert page.url == f"{hub.url}services/vo/"
        assert page.locator(".who").inner_text() == "owner · Sign out"
        assert page.get_by_text("The team's").count() == 1
        seen.picture("data")
        page.get_by_role("link", name="Sign out").click()
        page.get_by_label("User name").wait_for()
        page.goto(f"{hub.url}services/vo/")
        assert page.locator(".who").inner_text() == "Sign in"
        assert page.get_by_text("The team's").count() == 0
        # The next one at the same browser is known at once.
        sign_in(page, hub.url, "owner")
        page.goto(f"{hub.url}services/vo/")
        assert page.locator(".who").inner_text() == "owner · Sign out"


def test_hub_tells_who_looks_at_its_own_service_alone(hub: RunningHub) -> None:
    with hub.client() as nobody:
        asked = {"redirect_uri": "https://evil.example/", "state": "a&b", "client_id": "service-vo"}
        answer = nobody.get(f"{hub.url}hub/who-looks", params=asked, follow_redirects=False)
        assert answer.headers["location"] == f"{hub.url}services/vo/signed-in?error=login_required&state=a%26b"
    owner = hub.sign_in("owner")
    assert owner.client.get(f"{hub.url}hub/who-looks", params={**asked, "response_type": "code"}).status_code == 400


def test_code_of_another_browser_signs_nobody_in(hub: RunningHub) -> None:
    owner, stranger = hub.sign_in("owner"), hub.client()
    sent = owner.client.get(f"{hub.url}services/vo/sign-in", follow_redirects=False).headers["location"]
    back = owner.client.get(sent, follow_redirects=False).headers["location"]
    with stranger:
        assert stranger.get(back).status_code == 400
        assert "Sign in" in stranger.get(f"{hub.url}services/vo/").text
    assert owner.client.get(back).status_code == 200


def serving(hub: RunningHub) -> set[int]:
    """Return the processes of the service."""
    told = ((process.pid, environment(process.pid)) for process in living())
    return {pid for pid, of in told if of.get("JUPYTERHUB_SERVICE_NAME") == "vo" and of.get("BOWERBIRD_VAR") == str(hub.var.root)}


def programs(hub: RunningHub) -> dict[bool, tuple[int, list[str]]]:
    """Return the worker for images (True) and the main process (False), and how each was started."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in serving(hub)}
    return {"--worker" in argv: (pid, argv) for pid, argv in commands.items() if argv[0].endswith("python")}


@contextmanager
def clients_of_both(hub: RunningHub, secret: str) -> Iterator[list[httpx.Client]]:
    """Have a client of the worker and one of the main process: while each connects, the other is stopped."""
    until(lambda: len(programs(hub)) == 2, READY_SECONDS)
    argv = programs(hub)[False][1]
    address = f"http://127.0.0.1:{argv[argv.index('--images-port') + 1]}/services/vo"
    headers = {"Authorization": f"Bearer {secret}"}
    with ExitStack() as stack:
        limits = httpx.Limits(max_connections=1)
        clients = [stack.enter_context(httpx.Client(base_url=address, headers=headers, timeout=30, limits=limits)) for _ in range(2)]
        for client, is_worker in zip(clients, (True, False), strict=True):
            with stopped(programs(hub)[not is_worker][0]):
                assert client.get("/soda/availability").status_code == 200
        yield clients


@needs_two_cores
def test_token_that_is_revoked_is_of_no_use_in_either_process_within_a_second(hub: RunningHub) -> None:
    owner = hub.sign_in("owner")
    secret, identifier = token(owner)
    with clients_of_both(hub, secret) as clients:
        assert [client.get("/hips/sky/dr2/Moc.fits").status_code for client in clients] == [200, 200]
        assert owner.api("DELETE", f"users/owner/tokens/{identifier}").status_code == 204
        refused_soon(lambda: [client.get("/hips/sky/dr2/Moc.fits").status_code for client in clients] == [401, 401])


@needs_two_cores
def test_both_processes_tell_a_browser_in_a_page_what_is_refused(hub: RunningHub) -> None:
    with clients_of_both(hub, token(hub.sign_in("owner"))[0]) as clients:
        answers = [client.get("/products/sky/dr1/nix.fits", headers={"Accept": "text/html"}) for client in clients]
    assert [(answer.status_code, answer.headers["content-type"]) for answer in answers] == [(404, "text/html; charset=utf-8")] * 2
    assert answers[0].text == answers[1].text


@needs_two_cores
def test_both_processes_find_images_and_the_worker_has_no_room_for_queries(hub: RunningHub) -> None:
    with clients_of_both(hub, token(hub.sign_in("owner"))[0]) as clients:
        answers = [client.get("/sia2/query", params={"POS": "CIRCLE 10 0 1"}) for client in clients]
    assert [answer.status_code for answer in answers] == [200, 200]
    argv = programs(hub)[False][1]
    state = Path(argv[argv.index("--state") + 1])
    assert sorted(path.relative_to(state).as_posix() for path in state.glob("**/spill")) == ["spill"]


@needs_two_cores
def test_both_processes_know_of_a_membership_that_ends(hub: RunningHub) -> None:
    secret, _ = token(hub.sign_in("researcher"))
    with clients_of_both(hub, secret) as clients:
        until(lambda: [client.get("/hips/sky/dr2/Moc.fits").status_code for client in clients] == [200, 200])
        with no_member(hub, secret):
            until(lambda: [client.get("/hips/sky/dr2/Moc.fits").status_code for client in clients] == [404, 404])


@needs_two_cores
def test_worker_that_is_killed_comes_back_and_the_service_answers_all_the_time(hub: RunningHub) -> None:
    until(lambda: len(programs(hub)) == 2, READY_SECONDS)
    before = programs(hub)
    os.kill(before[True][0], signal.SIGKILL)
    # The proxy may find in its own time only that a connection is none any more.
    until(lambda: before[True][0] not in serving(hub))

    def is_back() -> bool:
        assert httpx.get(f"{hub.url}services/vo/hips/sky/dr1/Moc.fits", timeout=30).status_code == 200
        return len(programs(hub)) == 2

    until(is_back, READY_SECONDS)
    assert programs(hub)[False][0] == before[False][0]


def test_a_service_that_was_killed_is_missed_and_answers_again(hub: RunningHub) -> None:
    killed = serving(hub)
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    # JupyterHub by itself looks each 30 s.
    until(lambda: "Service vo exited with status" in hub.log(), seconds=10)
    until(lambda: count(hub, "dr1").status_code == 200, seconds=READY_SECONDS)
    assert not serving(hub) & killed
