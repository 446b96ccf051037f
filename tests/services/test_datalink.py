"""DataLink 1.1 as clients meet it: each row by the standard's text (section 3.2), and no link that leads nowhere."""

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import pyvo
import requests
from astropy.io.votable import parse
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.links import Semantics
from bowerbird_services.relations import BACK

from tests.extensions.votable.stil import lint, needs_stilts, stilts
from tests.services.gallery import Gallery, fill, gallery, gallery_platform, image
from tests.services.test_dali import MEMBER, refused

ELSEWHERE = "ivo://x-bowerbird/demo"
M13, CUBE, LINE, ZERO = (
    f"{ELSEWHERE}/dr1?m13.fits",
    f"{ELSEWHERE}/dr1?cube.fits",
    f"{ELSEWHERE}/dr1?line.fits",
    f"{ELSEWHERE}/dr1?images/a%20b%2Bc.fits",
)
SECRET, NEXT = f"{ELSEWHERE}/dr2?secret.fits", f"{ELSEWHERE}/dr3?next.fits"
# Words of the vocabulary that are younger than the list that this STILTS was built with; it asks for no newer one.
YOUNGER = {"coderived", "counterpart", "documentation"}
# A copy of the vocabulary, among the data of pyvo's own tests.
VOCABULARY = Path(pyvo.__file__).parent / "dal" / "tests" / "data" / "datalink" / "datalink.desise"
STRANGER = {"Authorization": "Bearer token-of-stranger"}
LINKS = [
    {"file": "m13.fits", "to": "images/a b+c.fits", "semantics": "weight", "description": "how sure each pixel is"},
    {"file": "m13.fits", "to": "notes.txt", "semantics": "documentation"},
    {"file": "m13.fits", "to": SECRET, "semantics": "progenitor"},
    {"file": "m13.fits", "to": NEXT, "semantics": "counterpart"},
    {"file": "m13.fits", "to": "absent.fits", "semantics": "flat"},
    {"file": "m13.fits", "to": f"{ELSEWHERE}/dr9?m13.fits", "semantics": "flat"},
    {"file": "line.fits", "to": "cube.fits", "semantics": "progenitor"},
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery"), gallery_platform(dr1={"links": LINKS})) as found:
        yield found


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    platform = gallery_platform(dr1={"serve": "cutouts", "links": LINKS})
    with gallery(tmp_path_factory.mktemp("cut"), platform) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        yield client


@pytest.fixture
def client(shown: Gallery) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shown.address, timeout=30) as client:
        yield client


def rows(client: httpx.Client, *names: str, headers: dict[str, str] | None = None) -> list[dict[str, object]]:
    answer = client.get("/datalink/links", params={"ID": list(names)}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-votable+xml;content=datalink")
    table = parse(io.BytesIO(answer.content)).get_first_table()
    fields = [field.name for field in table.fields]
    return [{name: _plain(value) for name, value in zip(fields, row, strict=True)} for row in table.array]


def _plain(value: object) -> object:
    return None if value is np.ma.masked or value == "" else value


def raw(client: httpx.Client, path: str) -> int:
    """Ask for a path that no client puts in order; returns the status."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(b"".join(iter(lambda: connection.recv(65536), b"")).split()[1])


def semantics(found: list[dict[str, object]]) -> list[object]:
    return [row["semantics"] for row in found]


def one(found: list[dict[str, object]], what: str) -> dict[str, object]:
    (row,) = [row for row in found if row["semantics"] == what]
    return row


def test_an_image_has_its_file_its_cutouts_and_its_pictures(client: httpx.Client) -> None:
    found = rows(client, M13)
    assert semantics(found)[:4] == ["#this", "#cutout", "#preview", "#preview-image"]
    this = one(found, "#this")
    file = client.get(str(this["access_url"]))
    assert file.content.startswith(b"SIMPLE")
    assert (this["content_type"], this["content_length"]) == ("application/fits", len(file.content))
    assert (this["content_qualifier"], this["link_auth"], this["link_authorized"]) == ("#image", "optional", True)
    assert {row["ID"] for row in found} == {M13}
    assert all(sum(bool(row[name]) for name in ("access_url", "service_def", "error_message")) == 1 for row in found)


def test_the_descriptor_of_cutouts_says_what_has_an_answer(client: httpx.Client, shown: Gallery) -> None:
    document = parse(io.BytesIO(client.get("/datalink/links", params={"ID": CUBE}).content))
    (meta,) = [resource for resource in document.resources if resource.type == "meta"]
    assert meta.utype == "adhoc:service"
    assert one(rows(client, CUBE), "#cutout")["service_def"] == meta.ID
    told = {param.name: param.value for param in meta.params}
    assert told["standardID"] == "ivo://ivoa.net/std/SODA#sync-1.0"
    assert told["accessURL"] == f"{shown.address}/soda/sync"
    (group,) = meta.groups
    given = {param.name: param for param in group.entries}
    assert given["ID"].value == CUBE
    assert [float(given["BAND"].values.min), float(given["BAND"].values.max)] == pytest.approx([495e-9, 575e-9])
    assert (given["CIRCLE"].xtype, given["POLYGON"].xtype, given["BAND"].unit) == ("circle", "polygon", "m")
    assert "TIME" not in given


def test_a_spectrum_has_its_file_alone_and_what_it_came_from(client: httpx.Client) -> None:
    found = rows(client, LINE)
    assert semantics(found) == ["#this", "#progenitor"]
    assert str(found[1]["access_url"]).endswith("/products/demo/dr1/cube.fits")
    assert "#derivation" in semantics(rows(client, CUBE))


def test_previews_are_pictures(client: httpx.Client) -> None:
    for name in (M13, CUBE, ZERO):
        for what in ("#preview", "#preview-image"):
            answer = client.get(str(one(rows(client, name), what)["access_url"]))
            assert answer.content.startswith(b"\x89PNG")
            assert answer.headers["content-type"] == "image/png"
            known = client.get(str(answer.url), headers={"If-None-Match": answer.headers["etag"]})
            assert known.status_code == 304
    refused(client.get("/datalink/preview", params={"ID": M13, "SIZE": "100000"}), 400, "SIZE")
    refused(client.get("/datalink/preview", params={"ID": LINE}), 404)
    hidden, absent = (client.get("/datalink/preview", params={"ID": name}) for name in (SECRET, SECRET + "x"))
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert client.get("/datalink/preview", params={"ID": SECRET}, headers=MEMBER).content.startswith(b"\x89PNG")
    refused(client.get("/datalink/preview", params={"ID": NEXT}), 403, "until 2100-01-01")


def test_links_are_told_from_both_ends_to_those_who_may_read_both(client: httpx.Client) -> None:
    weight = one(rows(client, M13), "#weight")
    assert weight["description"] == "how sure each pixel is"
    assert client.get(str(weight["access_url"])).content.startswith(b"SIMPLE")
    assert one(rows(client, M13), "#documentation")["content_type"] == "text/plain"
    assert str(one(rows(client, ZERO), "#coderived")["access_url"]).endswith("/products/demo/dr1/m13.fits")
    assert "#progenitor" not in semantics(rows(client, M13))
    assert "#progenitor" in semantics(rows(client, M13, headers=MEMBER))
    derived = one(rows(client, SECRET, headers=MEMBER), "#derivation")
    assert derived["link_auth"] == "optional"
    assert one(rows(client, SECRET, headers=MEMBER), "#this")["link_auth"] == "true"


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gallery in which one image has a link of each kind to a file of its own."""

    def lay(root: Path) -> None:
        fill(root)
        for semantics in Semantics:
            image(root / "demo" / "dr1" / f"{semantics}.fits", 10.0, 10.0, pixels=8)

    links = [
        {"file": "m13.fits", "to": f"{semantics}.fits", "semantics": semantics, "description": f"its {semantics}"}
        for semantics in Semantics
    ]
    place, platform = tmp_path_factory.mktemp("linked"), gallery_platform(dr1={"links": links})
    with gallery(place, platform, before=lay) as found, httpx.Client(base_url=found.address, timeout=30) as client:
        yield client


@pytest.mark.parametrize("kind", Semantics)
def test_a_link_of_each_kind_is_told_from_both_ends(linked: httpx.Client, kind: Semantics) -> None:
    described = f"its {kind}"
    for own, other, semantics in (("m13.fits", f"{kind}.fits", kind), (f"{kind}.fits", "m13.fits", BACK[kind])):
        (found,) = (row for row in rows(linked, f"{ELSEWHERE}/dr1?{own}") if row["description"] == described)
        assert (found["semantics"], found["error_message"]) == (f"#{semantics}", None)
        assert (found["link_auth"], found["link_authorized"]) == ("optional", True)
        assert str(found["access_url"]).endswith(f"/products/demo/dr1/{other}")
        assert linked.get(str(found["access_url"])).content.startswith(b"SIMPLE")


def test_what_a_link_is_backwards_is_said_of_each_kind() -> None:
    """Those of one making are companions; of two that came one from the other each is what the other is not."""
    assert set(BACK) == set(Semantics)
    own = (Semantics.PROGENITOR, Semantics.DERIVATION, Semantics.COUNTERPART, Semantics.CODERIVED)
    assert all(BACK[BACK[kind]] is kind for kind in own)


def test_a_link_into_an_announced_release_says_that_it_is_closed(client: httpx.Client) -> None:
    closed = one(rows(client, M13), "#counterpart")
    assert (closed["link_auth"], closed["link_authorized"]) == ("true", False)
    assert "until 2100-01-01" in str(closed["error_message"])
    # No file of the closed release is named, as no other door names one.
    assert not closed["access_url"]
    assert ".fits" not in str(closed["description"])
    assert one(rows(client, M13, headers=MEMBER), "#counterpart")["link_authorized"] is np.True_


def test_what_is_not_there_is_a_row_with_a_fault(client: httpx.Client) -> None:
    forged = [
        SECRET,
        f"{ELSEWHERE}/dr1?absent.fits",
        f"{ELSEWHERE}/dr1?../dr2/secret.fits",
        f"{ELSEWHERE}/dr1?%2e%2e/m13.fits",
        "ivo://other/demo/dr1?m13.fits",
        "m13.fits",
        "/etc/passwd",
        "\0",
    ]
    found = rows(client, *forged)
    assert [row["ID"] for row in found][:-1] == forged[:-1]
    assert {row["error_message"] for row in found} == {"NotFoundFault: there is no product of that name that you may read"}
    (closed,) = rows(client, NEXT)
    assert str(closed["error_message"]).startswith("DefaultFault: ")
    assert "craft@example.org" in str(closed["error_message"])
    assert rows(client, f"{ELSEWHERE}/dr3?whatever.fits")[0]["error_message"] == closed["error_message"]


def test_several_products_are_told_at_once_each_with_its_own_service(client: httpx.Client) -> None:
    found = rows(client, M13, SECRET, CUBE)
    assert list(dict.fromkeys(row["ID"] for row in found)) == [M13, SECRET, CUBE]
    assert len({row["service_def"] for row in found if row["service_def"]}) == 2
    posted = client.post("/datalink/links", data={"id": [M13, CUBE]})
    assert posted.text.count("adhoc:service") == 2


def test_requests_that_name_nothing_or_too_much_are_refused(client: httpx.Client) -> None:
    for nothing in ({}, {"ID": ""}):
        empty = client.get("/datalink/links", params=nothing)
        assert len(parse(io.BytesIO(empty.content)).get_first_table().array) == 0
        assert "OVERFLOW" not in empty.text
    refused(client.get("/datalink/links", params={"ID": M13, "RESPONSEFORMAT": "csv"}), 400, "RESPONSEFORMAT")
    refused(client.get("/datalink/links", params={"ID": M13}, headers={"Authorization": "Bearer nonsense"}), 401)
    whole = len(rows(client, M13))
    for most, told_of in ((whole - 1, 0), (whole, whole), (whole + 1, whole)):
        few = client.get("/datalink/links", params={"ID": [M13, CUBE], "MAXREC": most})
        assert len(parse(io.BytesIO(few.content)).get_first_table().array) == told_of, "links of an ID come all or none"
        assert 'value="OVERFLOW"' in few.text
    assert client.head("/datalink/links", params={"ID": M13}).status_code == 200


def test_of_too_many_products_the_first_are_told_and_that_there_are_more(client: httpx.Client) -> None:
    def told(most: int) -> tuple[int, bool]:
        answer = client.post("/datalink/links", data={"ID": [f"x{number}" for number in range(most)]})
        return len(parse(io.BytesIO(answer.content)).get_first_table().array), 'value="OVERFLOW"' in answer.text

    assert told(1000) == (1000, False)
    assert told(1001) == (1000, True)


def test_a_release_that_is_cut_hands_no_image_out_whole(cut: httpx.Client) -> None:
    found = rows(cut, M13)
    assert "#this" not in semantics(found)
    assert semantics(found)[0] == "#cutout"
    for path in ("m13.fits", "./m13.fits", "images/../m13.fits", "images/%2e%2e/m13.fits", "%6d13.fits", "/m13.fits", ".//m13.fits"):
        assert raw(cut, f"/products/demo/dr1/{path}") in {403, 404}, path
    refused(cut.get("/products/demo/dr1/m13.fits", headers={"Range": "bytes=0-9"}), 403, "cut", "datalink")
    assert cut.head("/products/demo/dr1/cube.fits").status_code == 403
    assert cut.get("/products/demo/dr1/line.fits").status_code == 200
    assert cut.get("/products/demo/dr1/notes.txt").status_code == 200
    weight = one(found, "#weight")
    assert weight["content_type"] == "application/x-votable+xml;content=datalink"
    assert cut.get(str(weight["access_url"])).status_code == 200


@pytest.mark.parametrize("headers", [{}, MEMBER, STRANGER], ids=["nobody", "member", "stranger"])
def test_no_link_of_any_product_is_dead(client: httpx.Client, cut: httpx.Client, headers: dict[str, str]) -> None:
    for service in (client, cut):
        asked = {"LANG": "ADQL", "QUERY": "SELECT obs_publisher_did, access_url FROM ivoa.obscore", "RESPONSEFORMAT": "votable/td"}
        observed = parse(io.BytesIO(service.get("/tap/sync", params=asked, headers=headers).content)).get_first_table().array
        assert len(observed) >= 5
        for address in observed["access_url"]:
            assert service.get(str(address), headers=headers).status_code == 200, address
        followed = rows(service, *map(str, observed["obs_publisher_did"]), headers=headers)
        assert not [row for row in followed if row["error_message"] and row["link_authorized"] is not np.False_]
        for row in followed:
            if row["access_url"]:
                for answer in (service.get(str(row["access_url"]), headers=headers), service.head(str(row["access_url"]), headers=headers)):
                    assert answer.status_code == 200, row


def test_a_file_that_is_gone_is_a_fault_and_no_dead_link(tmp_path: Path) -> None:
    with gallery(tmp_path, gallery_platform(dr1={"links": LINKS})) as shown, httpx.Client(base_url=shown.address, timeout=30) as client:
        (shown.releases / "demo" / "dr1" / "cube.fits").unlink()
        (row,) = rows(client, CUBE)
        assert str(row["error_message"]).startswith("NotFoundFault: the file")
        assert semantics(rows(client, LINE)) == ["#this"]
        (shown.releases / "demo" / "dr1" / "m13.fits").write_bytes(b"not a FITS file")
        assert "#preview" not in semantics(rows(client, M13))


def test_a_membership_that_ends_closes_links_in_the_same_second(shown: Gallery, client: httpx.Client) -> None:
    record = shown.known.records
    assert semantics(rows(client, SECRET, headers=MEMBER))[0] == "#this"
    at = shown.site.clock()
    assert record.decide(shown.known.named("member"), "demo", "dr2", at).allowed
    was = shown.known.named("member")
    try:
        record.take({"kind": "identity", "record": IdentityRecord(9, "member", 600_000, 600_000, ()).to_json()})
        (row,) = rows(client, SECRET, headers=MEMBER)
        assert str(row["error_message"]).startswith("NotFoundFault")
    finally:
        record.take({"kind": "identity", "record": IdentityRecord(10, "member", 600_000, 600_000, was.memberships).to_json()})


def test_pyvo_goes_from_an_image_to_its_links(shown: Gallery, session: requests.Session) -> None:
    found = pyvo.dal.SIA2Service(f"{shown.address}/sia2", session=session).search(pos=(250.4, 36.46, 0.1))
    links = found[0].getdatalink()
    assert {"#this", "#cutout", "#preview"} <= {link.semantics for link in links}
    assert next(links.bysemantics("#this", include_narrower=False)).getdataset().read(6) == b"SIMPLE"
    by_id = pyvo.dal.adhoc.DatalinkResults.from_result_url(f"{shown.address}/datalink/links?ID={quote(CUBE)}", session=session)
    assert len(list(by_id.bysemantics("#cutout", include_narrower=False))) == 1


@needs_stilts
@pytest.mark.timeout(300)
def test_the_linters_have_nothing_to_say(client: httpx.Client, cut: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "links.vot"
    for service, headers, names in (
        (client, {}, [M13, CUBE, LINE, ZERO, SECRET, NEXT]),
        (client, MEMBER, [SECRET, NEXT, M13]),
        (cut, {}, [M13]),
    ):
        path.write_bytes(service.get("/datalink/links", params={"ID": names}, headers=headers).content)
        assert [line for line in lint(path) if not line.startswith("INFO")] == []
        said = stilts("datalinklint", f"votable={path}")
        found = [line for line in said.splitlines() if line[:2] in {"E-", "W-", "F-"}]
        assert "Totals:" in said
        assert not [line for line in found if not any(f"Unknown predicate '{word}'" in line for word in YOUNGER)], said


@pytest.mark.skipif(not VOCABULARY.exists(), reason="needs the vocabulary among the data of pyvo's tests")
def test_words_of_links_are_of_the_vocabulary() -> None:
    terms = json.loads(VOCABULARY.read_text())["terms"]
    words = set(Semantics)
    assert YOUNGER <= words <= set(terms)
    assert not [word for word in words if {"deprecated", "preliminary"} & set(terms[word])]
