"""The pages of the service: what they show to whom, that nothing of them runs or comes from elsewhere, and that their lines work."""

import html
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_services import adql
from bowerbird_services.app import create
from bowerbird_services.identity import Identities, Records
from bowerbird_services.main import translate
from bowerbird_services.pages.frame import Frame
from bowerbird_services.pages.service import Pages
from bowerbird_services.pages.sign_in import Application, SignIn
from bowerbird_services.site import Site
from bowerbird_services.store import coverage, sidecar
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.dids import DID
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.products import NAME, Product
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.streams import Threads
from bowerbird_services.tables_engine import TablesEngine
from bowerbird_services.vo.jobs import JobStore
from playwright.sync_api import Browser

from tests.services.gallery import directories
from tests.services.people import Tokens
from tests.services.serving import served
from tests.support import surveys
from tests.support.browser import chromium, visit
from tests.support.page_lines import lack_of_stilts, lines_of, run
from tests.support.platforms import described
from tests.support.shelves import put, stars

LOOK = (Path(__file__).parents[2] / "hub/bowerbird_hub/pages/bowerbird.css").read_text()
WIDTHS = (360, 1280, 1920)
FILES = [f"f +#%{number}.fits" for number in range(12)]
BANDS = {"dr2": ("r", "g<'>", "")}
LATER = "2199-01-01T00:00:00Z"
RELEASES = {
    "dr1": {"title": "First <release>", "public": True, "cite": "Doe et al. 2026", "doi": "10.5555/demo"},
    "dr2": {"title": "Second", "teams": ["craft"], "public_on": LATER, "contact": "pi@example.org"},
    "dr3": {"title": "Third", "description": "told to its team alone", "teams": ["craft"], "public_on": LATER, "announced": True},
}
MEMBER = {"Cookie": "bowerbird-vo=token-of-member"}


def platform() -> Platform:
    collections = {
        "demo": {"title": "Demo", "description": "A body of data", "releases": RELEASES},
        "hidden": {"title": "Hidden", "releases": {"dr1": {"title": "Nobody's", "teams": ["craft"]}}},
    }
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org", "members": ["member"]}}
    return Platform.model_validate(described(collections=collections, teams=teams))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    known, shelf = platform(), tmp_path / "tables"
    for release in RELEASES:
        table = put(shelf, ("demo", release), "stars", stars(300))
        coverage.write(table.files[0])
        surveys.put(tmp_path / "surveys", ("demo", release), surveys.cone(), BANDS.get(release, ("",)))
        told = [Product(name, "image", "application/fits", 1, s_ra=10.0, s_dec=-20.0, s_fov=0.8).to_json() for name in FILES]
        sidecar.replace_json(shelf / "demo" / release / NAME, {"products": told})
    records = Records(known)
    records.take(
        {"kind": "identity", "record": IdentityRecord(1, "member", 600_000, 600_000, known.identity("member").memberships).to_json()}
    )
    identities = Identities(records, Tokens(), lambda: datetime.now(UTC))
    (tmp_path / "spill").mkdir()
    (tmp_path / "spool").mkdir()
    computing = DuckDBBackend(Room(shelf, tmp_path / "spill"), prepare=adql.register)
    store = TableStore(Shelf(shelf))
    site = Site(
        TablesEngine(records, store, computing, translate), identities, Threads(4), tmp_path / "spool", surveys=tmp_path / "surveys"
    )
    jobs = JobStore(tmp_path / "jobs")
    sign_in = SignIn(
        Application("service-vo", "secret", "http://127.0.0.1:9/hub/api", "http://localhost:9/services/vo"), httpx.AsyncClient()
    )
    pages = Pages(site, store, Frame(LOOK, ""), sign_in)
    with served(create(site, jobs, directories=directories(tmp_path / "releases"), pages=pages)) as address:
        yield address
    jobs.close()
    computing.close()


def test_index_and_collection_show_what_may_be_known(address: str) -> None:
    nobody, member = httpx.get(f"{address}/").text, httpx.get(f"{address}/", headers=MEMBER).text
    assert "demo_dr1.stars" in nobody
    assert "Sign in" in nobody
    assert "demo_dr2" not in nobody
    assert "Hidden" not in nobody
    assert "demo_dr2.stars" in member
    assert "member · " in member
    page = httpx.get(f"{address}/collections/demo").text
    assert "First &lt;release&gt;" in page
    assert "Doe et al. 2026" in page
    assert "dr2" not in page


@pytest.mark.parametrize("name", ["tap", "sia2", "datalink", "soda", "hips", "moc"])
def test_the_address_of_a_service_leads_a_browser_to_what_there_is(address: str, name: str) -> None:
    shown = httpx.get(f"{address}/{name}", follow_redirects=True)
    assert (shown.status_code, shown.url.path) == (200, "/")
    assert httpx.get(f"{address}/tap/capabilities").headers["content-type"].startswith("text/xml")


def test_announced_release_names_title_date_and_whom_to_ask_and_nothing_more(address: str) -> None:
    page = httpx.get(f"{address}/collections/demo").text
    assert "Third" in page
    assert "2199-01-01" in page
    assert "craft@example.org" in page
    assert "told to its team alone" not in page
    assert "demo_dr3" not in page
    there, absent = (httpx.get(f"{address}/tables/demo_dr3.{name}") for name in ("stars", "nothing"))
    assert (there.status_code, there.content) == (absent.status_code, absent.content)
    assert there.status_code == 403
    assert "2199-01-01" in there.text


@pytest.mark.parametrize(
    ("hidden", "absent"), [("tables/demo_dr2.stars", "tables/demo_dr9.stars"), ("collections/hidden", "collections/absent")]
)
def test_what_is_hidden_answers_exactly_as_what_does_not_exist(address: str, hidden: str, absent: str) -> None:
    answers = [httpx.get(f"{address}/{path}") for path in (hidden, absent)]
    assert answers[0].status_code == answers[1].status_code == 404
    # What was asked for stands in the link to sign in, which comes back to it.
    asked = [f"sign-in?next={quote(path, safe='')}" for path in (hidden, absent)]
    assert asked[0] in answers[0].text
    assert answers[0].text.replace(asked[0], asked[1]) == answers[1].text
    told = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in answers]
    assert told[0] == told[1]


def test_table_page_tells_columns_rows_coverage_and_until_when_it_is_closed(address: str) -> None:
    page = httpx.get(f"{address}/tables/demo_dr2.stars", headers=MEMBER).text
    assert "300 rows" in page
    assert "closed until 2199-01-01" in page
    assert "you are a member of its team craft" in page
    assert all(f"<code>{name}</code>" in page for name in ("source_id", "mag", "name"))
    assert re.search(r'<svg viewBox="[^"]*" role="img"><title>Where on the sky the rows of demo_dr2.stars are', page)
    assert "Doe" not in page


def test_pages_show_the_sky_that_images_cover_to_whoever_may_read_them(address: str) -> None:
    nobody, member = (httpx.get(f"{address}/collections/demo", headers=headers).text for headers in ({}, MEMBER))
    assert "square arcminutes" in nobody
    assert re.findall(r"/hips/demo/(\w+)", nobody) == ["dr1"]
    assert set(re.findall(r"/moc/demo/(\w+)", member)) == {"dr1", "dr2", "dr3"}
    # Each band has an address.
    found = re.findall(r"<li>([^<]+): <code>[^<]+/hips/demo/(dr2/[\w-]+)</code>", member)
    assert [band for band, _ in found] == ["r", "g&lt;'&gt;", "images that name no band"]
    assert [name[:5] for _, name in found] == ["dr2/r", "dr2/g", "dr2/n"]
    page = httpx.get(f"{address}/tables/demo_dr1.stars").text
    assert "Its images on the sky" in page
    assert f"{address}/moc/demo/dr1" in page


def test_pages_name_images_and_the_addresses_at_which_they_are_had(address: str) -> None:
    nobody, member = (httpx.get(f"{address}/collections/demo", headers=headers).text for headers in ({}, MEMBER))
    for words in (
        "f +#%9.fits, image: <code>ivo://x-bowerbird/demo/dr1?f%20%2B%23%259.fits</code>",
        f'2 more, and all of them by SIA 2: <a href="{address}/sia2/query?COLLECTION=demo/dr1"><code>{address}/sia2/query?',
    ):
        assert words in nobody
    assert "%10.fits" not in nobody
    assert "dr2?" not in nobody
    assert "token" not in nobody.partition("<main")[2]
    assert "demo/dr2?f%20%2B%23%259.fits" in member
    assert member.count("These addresses need a token") == 2


@pytest.mark.parametrize("service", ["datalink/links", "soda/sync"])
def test_an_address_of_an_image_names_it_whatever_its_file_is_called(address: str, service: str) -> None:
    page = httpx.get(f"{address}/collections/demo").text
    (link,) = re.findall(rf'href="([^"]+/{service}[^"]+)"><code>\1</code>', page)
    # A service takes the quoting of an address away once.
    assert DID.parse(httpx.URL(html.unescape(link)).params["ID"]) == DID("demo", "dr1", FILES[0])


def test_sign_in_that_has_ended_is_told_and_its_cookie_taken_back(address: str) -> None:
    answer = httpx.get(f"{address}/tables/demo_dr1.stars", headers={"Cookie": "bowerbird-vo=old"})
    assert answer.status_code == 200
    assert "Your sign-in has ended" in answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_cookie_opens_pages_and_nothing_that_does_something(address: str) -> None:
    asked = {"LANG": "ADQL", "QUERY": "SELECT * FROM demo_dr2.stars"}
    assert httpx.post(f"{address}/tap/sync", data=asked, headers=MEMBER).status_code == 400
    assert httpx.post(f"{address}/tables/demo_dr2.stars", headers=MEMBER).status_code == 405


def test_sign_in_asks_the_hub_with_a_proof_and_comes_back_to_pages_of_ours_only(address: str) -> None:
    answer = httpx.get(f"{address}/sign-in", params={"next": "https://evil.example/"})
    assert answer.status_code == 303
    sent = httpx.URL(answer.headers["location"])
    assert sent.path == "/hub/api/oauth2/authorize"
    assert sent.params["code_challenge_method"] == "S256"
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/services/vo/"} <= set(cookie.split("; "))
    assert "evil" not in cookie
    for wrong in ({"state": sent.params["state"], "code": "one"}, {}, {"state": "x" * 32, "code": "one"}):
        refused = httpx.get(f"{address}/signed-in", params=wrong)
        assert refused.status_code == 400
        assert "begin it again with Sign in" in refused.text


# As a browser asks for a page, and what it shows of somebody who is signed in at the hub.
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
AT_THE_HUB = "jupyterhub-session-id=one"
PAGE = "tables/demo_dr2.stars"


@pytest.mark.parametrize("cookies", [AT_THE_HUB, f"{AT_THE_HUB}; bowerbird-vo=old"], ids=["never here", "ended here"])
def test_browser_that_is_signed_in_at_the_hub_asks_it_who_looks_and_not_again_at_once(address: str, cookies: str) -> None:
    with httpx.Client(base_url=address, headers=BROWSER) as client:
        sent = client.get(PAGE, headers={"Cookie": cookies})
        assert (sent.status_code, "no-store" in sent.headers["cache-control"]) == (303, True)
        there = httpx.URL(sent.headers["location"])
        assert (there.path, there.params["code_challenge_method"]) == ("/hub/who-looks", "S256")
        # The pages stand at another path here than what their address says.
        kept = "; ".join(cookie.partition(";")[0] for cookie in sent.headers.get_list("set-cookie"))
        back = client.get("signed-in", params={"state": there.params["state"], "error": "login_required"}, headers={"Cookie": kept})
        assert (back.status_code, back.headers["location"]) == (303, f"/services/vo/{PAGE}")
        assert "bowerbird-vo=" not in back.headers["set-cookie"]
        assert client.get(PAGE, headers={"Cookie": f"{cookies}; {kept}"}).status_code == 404
        # Who has signed in at the hub meanwhile has another session there.
        assert client.get(PAGE, headers={"Cookie": f"jupyterhub-session-id=two; {kept}"}).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        BROWSER,
        {**BROWSER, "Cookie": f"{AT_THE_HUB}; bowerbird-vo=token-of-member"},
        {**BROWSER, "Cookie": AT_THE_HUB, "Authorization": "Bearer token-of-member"},
        {"Cookie": AT_THE_HUB},
        {"Cookie": AT_THE_HUB, "Accept": "application/x-votable+xml, text/xml"},
    ],
    ids=["nobody", "signed in", "with a token", "curl", "a client of the VO"],
)
def test_all_others_are_sent_nowhere(address: str, headers: dict[str, str]) -> None:
    for page in ("", "collections/demo", "tables/demo_dr1.stars"):
        assert httpx.get(f"{address}/{page}", headers=headers).status_code == 200
        assert httpx.head(f"{address}/{page}", headers={**BROWSER, "Cookie": AT_THE_HUB}).status_code == 200


# Each with the page to which a sign-in comes back.
NOTHING = {
    "nix": "",
    "tap/nix": "",
    "tap/async/nix": "",
    "moc/nix": "collections/nix",
    "hips/demo/dr2/properties": "collections/demo",
    "products/demo/dr1/nix.fits": "collections/demo",
    "products/demo/dr2/nix.fits": "collections/demo",
}
PROGRAMS = {
    "curl and pyvo": "*/*",
    "a client of the VO": "application/x-votable+xml, text/xml;q=0.5",
    "STILTS and TOPCAT": "text/html, image/gif, image/jpeg, */*; q=0.2",
    "STILTS and TOPCAT, long ago": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "no pages": "text/html;q=0, */*",
    "no pages, to three places": "text/html; q=0.000, */*",
}


@pytest.mark.parametrize("path", NOTHING)
def test_refusal_is_a_page_for_a_browser_and_leads_to_the_sign_in(address: str, path: str) -> None:
    told = httpx.get(f"{address}/{path}", headers=BROWSER)
    assert (told.status_code, told.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Accept" in told.headers["vary"].split(", ")
    assert 'class="refusal"' in told.text
    assert f'href="/sign-in?next={quote(NOTHING[path], safe="")}"' in told.text
    assert told.headers["content-security-policy"] == httpx.get(f"{address}/").headers["content-security-policy"]
    member = httpx.get(f"{address}/{path}", headers=BROWSER | MEMBER)
    assert "member · " in member.text
    assert "sign-in" not in member.text


@pytest.mark.parametrize("program", PROGRAMS)
def test_refusal_is_a_votable_for_every_program(address: str, program: str) -> None:
    for path in NOTHING:
        told = httpx.get(f"{address}/{path}", headers={"Accept": PROGRAMS[program]})
        assert (told.status_code, told.headers["content-type"]) == (404, "application/x-votable+xml")
        assert "Accept" in told.headers["vary"].split(", ")
        assert '<INFO name="QUERY_STATUS" value="ERROR">' in told.text


def test_page_of_a_refusal_says_what_programs_are_told(address: str) -> None:
    def told(path: str, **asked: str) -> str:
        page, votable = (httpx.get(f"{address}/{path}", headers=headers, params=asked) for headers in (BROWSER, {}))
        assert page.status_code == votable.status_code
        (words,) = re.findall('value="ERROR">([^<]*)<', votable.text)
        assert words[1:] in page.text
        return page.text

    assert "2199-01-01" in told("products/demo/dr3/f.fits")
    assert "&lt;script&gt;" in told("tap/sync", LANG="ADQL", QUERY="SELECT <script> FROM demo_dr1.stars", RESPONSEFORMAT="<script>")
    hidden, absent = (told(f"products/demo/{release}/f.fits") for release in ("dr2", "dr9"))
    assert hidden == absent


def test_nothing_of_a_page_runs_or_comes_from_elsewhere(address: str) -> None:
    answer = httpx.get(f"{address}/tables/demo_dr1.stars")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"].startswith("'sha256-")
    assert "allow-scripts" not in policy["sandbox"]
    assert "<script" not in answer.text
    assert not re.search(r' (?:src|style|on[a-z]+)="', answer.text)


EXAMPLES = [(release, way) for release in ("dr1", "dr2") for way in ("notebook", "pyvo", "curl", "stilts")]


@pytest.mark.parametrize(("release", "way"), EXAMPLES)
def test_lines_of_a_table_page_work_as_they_stand(address: str, tmp_path: Path, release: str, way: str) -> None:
    if way == "stilts" and (lack := lack_of_stilts(signed=release == "dr2")):
        pytest.skip(lack)
    page = httpx.get(f"{address}/tables/demo_{release}.stars", headers=MEMBER)
    (tmp_path / ".bowerbird.netrc").write_text("machine 127.0.0.1 login member password token-of-member\n")
    platform_variables = {"BOWERBIRD_TAP_URL": f"{address}/tap", "JUPYTERHUB_API_TOKEN": "token-of-member"} if way == "notebook" else {}
    done = run(lines_of(page.text)[way], tmp_path, **platform_variables)
    assert done.returncode == 0, done.stderr
    if way != "notebook":
        assert "source_id" in done.stdout, done.stdout + done.stderr


def test_lines_without_the_token_find_no_proprietary_table(address: str, tmp_path: Path) -> None:
    page = httpx.get(f"{address}/tables/demo_dr2.stars", headers=MEMBER)
    (tmp_path / ".bowerbird.netrc").write_text("machine 127.0.0.1 login member password ended\n")
    done = run(lines_of(page.text)["curl"], tmp_path)
    assert "make one on the page Connect" in done.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


# The words of pictures that reach beyond them.
CUT_OFF = """() => [...document.querySelectorAll(".coverage > svg text")].filter((words) => {
    const [inner, outer] = [words.getBoundingClientRect(), words.closest("svg").getBoundingClientRect()];
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).map((words) => words.textContent)"""


@pytest.mark.browser
def test_pages_fit_every_width_in_light_and_dark(address: str, browser: Browser, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("BOWERBIRD_PICTURES", tmp_path / "pictures"))
    with visit(browser, pictures) as seen:
        for name in ("", "collections/demo", "tables/demo_dr1.stars", "tables/demo_dr3.stars", "tables/none"):
            seen.page.goto(f"{address}/{name}")
            for width in WIDTHS:
                seen.page.set_viewport_size({"width": width, "height": 900})
                assert seen.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (name, width)
                assert seen.page.evaluate(CUT_OFF) == [], (name, width)
            assert seen.page.locator("h1").count() == 1
        for name in NOTHING:
            seen.page.goto(f"{address}/{name}")
            assert seen.page.get_by_role("alert").is_visible()
        seen.picture("refusal")
        # A missing page is a line of the console, and the only one.
        assert all("status of 40" in complaint for complaint in seen.complaints), seen.complaints
