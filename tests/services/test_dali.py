"""What every address of the services keeps to: parameters, errors, headers, signing in (DALI 1.1, VOSI 1.1)."""

import base64
import io
import socket
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

import httpx
import pytest
from astropy.io.votable import parse
from bowerbird_services.allowances import Allowance
from bowerbird_services.vo.vosi import Feature, capabilities
from bowerbird_services.vo.xml import document
from defusedxml.ElementTree import fromstring

from tests.services.people import Tokens
from tests.services.standin import StandIn

QUERY = {"LANG": "ADQL", "QUERY": "SELECT 1 AS one"}
MEMBER = {"Authorization": "Bearer token-of-member"}
BOMB = b"""<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><DESCRIPTION>&d;</DESCRIPTION>
<TABLE><FIELD name="x" datatype="int"/><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
FETCHES = b"""<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<VOTABLE version="1.3"><RESOURCE><TABLE><FIELD name="x" datatype="char" arraysize="*"/>
<DATA><TABLEDATA><TR><TD>&a;</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""

DEEP = b"<VOTABLE>" + b"<RESOURCE>" * 200_000
WIDE = b"<VOTABLE " + b" ".join(b'a%d="1"' % number for number in range(100_000)) + b"><RESOURCE/></VOTABLE>"


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/x-votable+xml"
    resource = parse(io.BytesIO(answer.content)).resources[0]
    assert resource.type == "results"
    info = resource.infos[0]
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    assert all(word in (info.content or "") for word in words), info.content
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"LANG": ""}, "LANG"),
        ({"LANG": "SQL"}, "LANG"),
        ({"QUERY": ""}, "QUERY"),
        ({"REQUEST": "dropTables"}, "REQUEST"),
        ({"VERSION": "9"}, "VERSION"),
        ({"RESPONSEFORMAT": "application/pdf"}, "RESPONSEFORMAT"),
        ({"MAXREC": "-1"}, "MAXREC"),
        ({"MAXREC": "many"}, "MAXREC"),
        ({"MAXREC": "1e3"}, "MAXREC"),
        ({"MAXREC": "NaN"}, "MAXREC"),
        ({"QUERY": "SELECT nothing FROM nowhere"}, "nowhere"),
        ({"UPLOAD": "mine"}, "UPLOAD"),
        ({"UPLOAD": "mine,param:absent"}, "absent"),
        ({"UPLOAD": "mine,http://169.254.169.254/latest"}, "fetches nothing"),
        ({"UPLOAD": "mine,file:///etc/passwd"}, "fetches nothing"),
        ({"UPLOAD": 'x"; drop table stars; --,param:a'}, "UPLOAD"),
        ({"UPLOAD": "a,param:x;a,param:x"}, "UPLOAD"),
    ],
)
def test_wrong_parameter_is_named(client: httpx.Client, change: dict[str, str], word: str) -> None:
    refused(client.get("/tap/sync", params={**QUERY, **change}), 400, word)


@pytest.mark.parametrize("name", ["LANG", "QUERY", "MAXREC", "RESPONSEFORMAT"])
@pytest.mark.parametrize("path", ["/tap/sync", "/tap/async"])
def test_parameter_that_is_given_twice_is_refused(client: httpx.Client, path: str, name: str) -> None:
    once = {**QUERY, "MAXREC": "1", "RESPONSEFORMAT": "votable"}
    twice = [*once.items(), (name.lower(), once[name])]
    body = urlencode(twice)
    refused(client.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}), 400, name, "2 times")


def test_names_of_parameters_have_no_case(client: httpx.Client) -> None:
    assert (
        client.get("/tap/sync", params={"lang": "adql", "Query": "SELECT 1 AS one", "MaxRec": "1", "responseFormat": "CSV"}).status_code
        == 200
    )


def test_huge_number_of_rows_is_cut_to_what_is_allowed(client: httpx.Client) -> None:
    assert client.get("/tap/sync", params={**QUERY, "MAXREC": "9" * 30}).status_code == 200


def test_body_that_is_too_long_is_not_read(client: httpx.Client, engine: StandIn) -> None:
    refused(client.post("/tap/sync", data={**QUERY, "QUERY": "x" * (3 << 20)}), 413, "larger")

    def endless() -> object:
        yield from [b"a" * 65536] * 100

    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(client.post("/tap/sync", content=endless(), headers=kind), 413, "larger")  # type: ignore[arg-type]
    assert engine.asked == []


def test_who_sends_all_of_a_body_that_is_too_long_gets_the_refusal(address: str) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    size = 20 << 20
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = f"POST /tap/sync HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}\r\nContent-Length: {size}"
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(f"{head}\r\n\r\n".encode())
        for _ in range(size >> 20):
            raw.sendall(b"a" * (1 << 20))
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413")


def test_body_that_is_no_form_is_refused(client: httpx.Client) -> None:
    refused(client.post("/tap/sync", json=QUERY), 415, "form")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(client.post("/tap/sync", content=b"--x\r\nnonsense", headers=broken), 400)


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", BOMB, FETCHES, DEEP, WIDE, b"\x00\xff" * 100])
def test_upload_that_is_no_table_is_refused(client: httpx.Client, engine: StandIn, content: bytes) -> None:
    files = {"t": ("t.xml", content, "application/x-votable+xml")}
    refused(client.post("/tap/sync", data={**QUERY, "UPLOAD": "mine,param:t"}, files=files), 400, "mine")
    assert engine.asked == []


def test_upload_that_is_too_large_is_refused(client: httpx.Client) -> None:
    files = {"t": ("t.xml", b"x" * (11 << 20), "application/x-votable+xml")}
    refused(client.post("/tap/sync", data={**QUERY, "UPLOAD": "mine,param:t"}, files=files), 413, "larger")


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/tap", "/tap/nowhere", "/tap/async/nothing", "/tap/async/nothing/phase", "/tap/tables/no.table"]
)
def test_what_is_not_there_is_told_as_dali_wants_it(client: httpx.Client, path: str) -> None:
    refused(client.get(path), 404)


@pytest.mark.parametrize("path", ["/tap/", "/tap//", "/tap/nowhere/", "/tap/async/nothing/"])
def test_slashes_do_not_make_something_of_what_is_not_there(client: httpx.Client, path: str) -> None:
    refused(client.get(path), 404)


@pytest.mark.parametrize("path", ["tap/capabilities", "tap/availability", "tap/tables", "tap/tables/demo.stars", "tap/examples"])
@pytest.mark.parametrize("written", ["/{}/", "/{}//", "//{}"])
def test_address_with_slashes_too_many_is_the_same_address(client: httpx.Client, address: str, path: str, written: str) -> None:
    answer = client.get(f"{address}{written.format(path.replace('/', '//', 1))}")
    assert answer.status_code == 200
    assert answer.content == client.get(f"/{path}").content


def test_query_is_answered_where_it_is_sent_whatever_the_slashes(client: httpx.Client) -> None:
    for path in ("/tap/sync/", "/tap//sync"):
        answer = client.post(path, data={**QUERY, "RESPONSEFORMAT": "csv"})
        assert (answer.status_code, answer.text.split()) == (200, ['"one"', "1"])
    job = client.post("/tap//async/", data=QUERY).headers["location"]
    assert client.get(f"{job}/").content == client.get(job).content
    assert client.get("/scs/demo/stars/", params={"RA": "0", "DEC": "0", "SR": "1"}).status_code == 200


def test_method_that_does_not_fit_is_refused(client: httpx.Client) -> None:
    refused(client.delete("/tap/sync"), 405)


def test_failure_of_ours_is_told_without_a_traceback(client: httpx.Client, engine: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_keywords: object) -> None:
        raise RuntimeError("secret-detail")

    monkeypatch.setattr(engine, "answer", fail)
    answer = client.get("/tap/sync", params=QUERY)
    refused(answer, 500, "failed")
    assert "secret-detail" not in answer.text


def test_full_disk_of_the_spool_is_told(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_keywords: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/secret")

    monkeypatch.setattr("bowerbird_services.fits_rows.tempfile.TemporaryFile", full)
    answer = client.get("/tap/sync", params={**QUERY, "RESPONSEFORMAT": "fits"})
    refused(answer, 503, "try again")
    assert "/somewhere" not in answer.text


@pytest.mark.parametrize("header", ["Bearer", "Bearer wrong", "Digest x", "Basic !!", "Basic bWVtYmVyOndyb25n"])
def test_credential_that_does_not_hold_is_refused_and_not_taken_for_nobodys(client: httpx.Client, header: str) -> None:
    answer = client.get("/tap/sync", params=QUERY, headers={"Authorization": header})
    refused(answer, 401)
    assert {"Bearer", "Basic"} <= {part.split()[0] for part in answer.headers["www-authenticate"].split(", ")}


@pytest.mark.parametrize("user", ["member", ""])
def test_token_is_taken_as_bearer_and_as_the_password_of_basic(client: httpx.Client, user: str) -> None:
    hidden = {"LANG": "ADQL", "QUERY": "SELECT count(*) AS n FROM hidden.stars"}
    basic = "Basic " + base64.b64encode(f"{user}:token-of-member".encode()).decode()
    assert client.get("/tap/sync", params=hidden, headers={"Authorization": basic}).status_code == 200
    assert client.get("/tap/sync", params=hidden, headers=MEMBER).status_code == 200
    refused(client.get("/tap/sync", params=hidden), 400, "no table hidden.stars")


def test_token_that_is_taken_back_is_of_no_use(client: httpx.Client, tokens: Tokens) -> None:
    assert client.get("/tap/tables", headers=MEMBER).status_code == 200
    tokens.revoked.add("token-of-member")
    refused(client.get("/tap/tables", headers=MEMBER), 401)


def test_capabilities_tell_everybody_how_to_sign_in(client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/tap/capabilities")
        assert answer.status_code == 200
        assert "Basic" in answer.headers["www-authenticate"]
    signed = client.get("/tap/capabilities", headers=MEMBER)
    assert signed.headers["x-vo-authenticated"] == "member"
    assert "www-authenticate" not in signed.headers


def test_public_answers_alone_are_open_to_pages_of_others(client: httpx.Client) -> None:
    assert client.get("/tap/sync", params=QUERY).headers["access-control-allow-origin"] == "*"
    signed = client.get("/tap/sync", params=QUERY, headers=MEMBER)
    assert "access-control-allow-origin" not in signed.headers
    assert signed.headers["cache-control"] == "private, no-store"
    assert {"Authorization", "Cookie"} <= set(signed.headers["vary"].split(", "))
    preflight = client.options("/tap/sync", headers={"Origin": "https://x.example.org", "Access-Control-Request-Headers": "authorization"})
    assert "authorization" not in preflight.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("path", ["/tap/capabilities", "/tap/examples", "/nowhere", "/tap/sync"])
def test_nothing_of_an_answer_runs_in_a_browser(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("sandbox")
    assert "script" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_tables_are_told_with_columns_where_they_are_asked_for(client: httpx.Client) -> None:
    def columns(query: str) -> list[Element]:
        return list(fromstring(client.get(f"/tap/tables{query}").content).iter("column"))

    assert [column.findtext("name") for column in columns("")] == ["id", "name", "ra", "dec", "mag"]
    assert columns("?detail=min") == []
    assert "hidden" not in client.get("/tap/tables").text
    assert "hidden" in client.get("/tap/tables", headers=MEMBER).text
    assert fromstring(client.get("/tap/tables/demo.stars").content).findtext("name") == "demo.stars"
    refused(client.get("/tap/tables?detail=most"), 400, "detail")


def test_availability_is_told(client: httpx.Client) -> None:
    assert (
        fromstring(client.get("/tap/availability").content).findtext("{http://www.ivoa.net/xml/VOSIAvailability/v1.0}available") == "true"
    )


def test_features_are_grouped_by_their_kind() -> None:
    features = (Feature("udf", "f(x INTEGER) -> INTEGER", "one"), Feature("adqlgeo", "POINT"), Feature("udf", "g() -> DOUBLE"))
    root = fromstring(document(capabilities("http://x", features, Allowance(), {})).body)
    groups = {group.attrib["type"].rpartition("-")[2]: len(group.findall("feature")) for group in root.iter("languageFeatures")}
    assert groups == {"udf": 2, "adqlgeo": 1}


def test_examples_are_queries_over_what_is_seen(client: httpx.Client) -> None:
    page = fromstring(client.get("/tap/examples").content)
    queries = [each.text for each in page.iter() if each.attrib.get("property") == "query"]
    assert any("demo.stars" in (query or "") for query in queries)
    assert not any("hidden" in (query or "") for query in queries)
