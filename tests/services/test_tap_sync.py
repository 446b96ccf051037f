"""TAP sync as clients meet it: served over HTTP, asked by pyvo and by hand."""

import gzip
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pyvo
from astropy.io import fits
from astropy.io.votable import parse
from bowerbird_services.allowances import Allowance
from bowerbird_services.app import create
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.jobs import JobStore

from tests.services.serving import served
from tests.services.standin import SLOW, StandIn
from tests.services.waiting import until

FIRST = 9007199254740993
QUERY = "SELECT id, name, ra, dec, mag FROM demo.stars ORDER BY id"


def asked(query: str = QUERY, **more: str) -> dict[str, str]:
    return {"LANG": "ADQL", "QUERY": query, **more}


def test_pyvo_reads_rows_with_identifiers_units_and_nulls(address: str) -> None:
    table = pyvo.dal.TAPService(f"{address}/tap").run_sync(QUERY, maxrec=20).to_table()
    assert table["id"].tolist() == [FIRST + i for i in range(20)]
    assert str(table["ra"].unit) == "deg"
    assert table["mag"].mask[0]
    assert not table["mag"].mask[1]
    assert table["name"][1] == "star 1"


def test_more_rows_than_asked_for_are_an_overflow(client: httpx.Client) -> None:
    document = client.get("/tap/sync", params=asked(MAXREC="5")).text
    assert 'value="OVERFLOW"' in document
    assert document.index("</TABLE>") < document.index('value="OVERFLOW"')
    assert "OVERFLOW" not in client.get("/tap/sync", params=asked("select 1 as one", MAXREC="1")).text


def test_public_rows_say_of_which_edition_their_table_is(client: httpx.Client) -> None:
    edition = client.head("/tap/tables/demo.stars").headers["etag"].strip('"')
    assert f'<INFO name="EDITION" value="demo.stars {edition}"' in client.get("/tap/sync", params=asked(MAXREC="1")).text
    assert client.head("/tap/tables/hidden.stars").status_code == 404


def test_an_answer_that_is_small_says_how_long_it_is(client: httpx.Client) -> None:
    for headers in ({"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}):
        with client.stream("GET", "/tap/sync", params=asked(MAXREC="5"), headers=headers) as answer:
            assert int(answer.headers["content-length"]) == len(b"".join(answer.iter_raw()))


def test_no_rows_asked_for_gives_the_columns(client: httpx.Client) -> None:
    table = parse(io.BytesIO(client.get("/tap/sync", params=asked(MAXREC="0")).content)).get_first_table()
    assert [field.name for field in table.fields] == ["id", "name", "ra", "dec", "mag"]
    assert len(table.array) == 0


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("votable", "application/x-votable+xml"),
        ("votable/td", "application/x-votable+xml;serialization=TABLEDATA"),
        ("application/x-votable+xml; serialization=BINARY2", "application/x-votable+xml;serialization=BINARY2"),
        ("votable/b", "application/x-votable+xml;serialization=BINARY"),
        ("text/xml", "text/xml"),
        ("csv", "text/csv;header=present"),
        ("TSV", "text/tab-separated-values"),
        ("fits", "application/fits"),
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
def test_formats_are_told_by_name_and_media_type(client: httpx.Client, form: str, media_type: str) -> None:
    answer = client.get("/tap/sync", params=asked(RESPONSEFORMAT=form, MAXREC="10"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].replace("; charset=utf-8", "") == media_type


@pytest.mark.parametrize("form", ["votable", "votable/td", "votable/b"])
def test_every_serialization_says_the_same(client: httpx.Client, form: str) -> None:
    table = parse(io.BytesIO(client.get("/tap/sync", params=asked(RESPONSEFORMAT=form)).content)).get_first_table().to_table()
    assert table["id"].tolist() == [FIRST + i for i in range(1000)]
    assert int(np.sum(table["mag"].mask)) == 200


def test_csv_has_names_and_empty_nulls(client: httpx.Client) -> None:
    lines = client.get("/tap/sync", params=asked(RESPONSEFORMAT="csv", MAXREC="2")).text.splitlines()
    assert lines[0].replace('"', "") == "id,name,ra,dec,mag"
    assert lines[1] == f"{FIRST},,0,-85,"


def test_fits_keeps_identifiers_texts_and_nulls(client: httpx.Client) -> None:
    query = "SELECT *, id % 2 = 0 AS even FROM demo.stars ORDER BY id"
    content = client.get("/tap/sync", params=asked(query, RESPONSEFORMAT="fits")).content
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        data = hdus[1].data
        assert data["id"].tolist() == [FIRST + i for i in range(1000)]
        assert data["name"][:2].tolist() == ["", "star 1"]
        assert np.isnan(data["mag"][0])
        assert data["even"][:2].tolist() == [False, True]
        assert hdus[1].header["TUNIT3"] == "deg"
    assert len(content) % 2880 == 0


def test_arrow_and_parquet_are_read_with_units(client: httpx.Client) -> None:
    stream = client.get("/tap/sync", params=asked(RESPONSEFORMAT="arrow")).content
    table = pa.ipc.open_stream(stream).read_all()
    assert table["id"].to_pylist() == [FIRST + i for i in range(1000)]
    assert table.schema.field("ra").metadata[b"unit"] == b"deg"
    assert pq.read_table(io.BytesIO(client.get("/tap/sync", params=asked(RESPONSEFORMAT="parquet")).content)).equals(table)


def test_texts_are_compressed_for_who_asks(client: httpx.Client) -> None:
    plain = client.get("/tap/sync", params=asked(RESPONSEFORMAT="csv"), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with client.stream("GET", "/tap/sync", params=asked(RESPONSEFORMAT="csv"), headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2


def test_upload_is_joined(address: str) -> None:
    from astropy.table import Table

    mine = Table({"key": [FIRST + 3, FIRST + 999_999], "remark": ["here", "nowhere"]})
    query = "SELECT s.id, u.remark FROM demo.stars s JOIN TAP_UPLOAD.mine u ON s.id = u.key"
    table = pyvo.dal.TAPService(f"{address}/tap").run_sync(query, uploads={"mine": mine}).to_table()
    assert table["id"].tolist() == [FIRST + 3]
    assert table["remark"][0] == "here"


def test_flags_of_an_astropy_table_are_booleans(address: str) -> None:
    from astropy.table import MaskedColumn, Table

    # Astropy writes them as bits.
    flags = MaskedColumn([True, False, True, False], mask=[False, False, True, False])
    mine = Table({"key": [1, 2, 3, 4], "flag": flags, "plain": [False, True, False, True]})
    service = pyvo.dal.TAPService(f"{address}/tap")
    found = service.run_sync("SELECT * FROM TAP_UPLOAD.mine ORDER BY key", uploads={"mine": mine})
    assert [field.datatype for field in found.fielddescs] == ["long", "boolean", "boolean"]
    table = found.to_table()
    assert table["flag"].tolist() == [True, False, None, False]
    assert table["plain"].tolist() == [False, True, False, True]
    chosen = service.run_sync("SELECT key FROM TAP_UPLOAD.mine WHERE flag = 'true'", uploads={"mine": mine})
    assert chosen["key"].tolist() == [1]


def test_upload_without_columns_is_refused_in_words(client: httpx.Client) -> None:
    empty = b'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE/></RESOURCE></VOTABLE>'
    asking = asked("SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine", UPLOAD="mine,param:t")
    answer = client.post("/tap/sync", data=asking, files={"t": ("t.xml", empty)})
    assert answer.status_code == 400
    assert "the uploaded table mine has no columns" in answer.text


def test_client_that_goes_away_ends_the_query(address: str, engine: StandIn) -> None:
    with httpx.Client(base_url=address, timeout=0.5) as client, suppress(httpx.ReadTimeout):
        client.get("/tap/sync", params=asked(SLOW))
        pytest.fail("the query was too quick for this test")
    until(lambda: engine.asked and engine.running == 0)


def test_client_that_goes_away_in_the_middle_of_the_rows_ends_the_query(address: str, engine: StandIn) -> None:
    many = asked("SELECT range AS n FROM range(1000000000)", MAXREC="9999999")
    with httpx.Client(base_url=address, timeout=30) as client, client.stream("GET", "/tap/sync", params=many) as answer:
        chunks = answer.iter_raw()  # it would close the connection when it is collected
        assert next(chunks)
        assert engine.running == 1
    until(lambda: engine.running == 0)


def test_loop_answers_while_queries_run(client: httpx.Client, engine: StandIn) -> None:

    def ask() -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"{client.base_url}/tap/sync", params=asked(SLOW), timeout=3)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: engine.running == 1)
    assert client.get("/tap/availability").status_code == 200
    assert engine.running == 1
    asking.join()
    until(lambda: engine.running == 0)


def test_eight_clients_at_once_are_served_together(site: Site, jobs: JobStore, engine: StandIn) -> None:
    site.threads = Threads(16)
    with served(create(site, jobs)) as address, ThreadPoolExecutor(8) as pool:
        many = asked("SELECT range AS n FROM range(1000000000)", MAXREC="9999999")
        with ExitStack() as streams:
            asking = [pool.submit(streams.enter_context, httpx.stream("GET", f"{address}/tap/sync", params=many)) for _ in range(8)]
            assert [answer.result().status_code for answer in asking] == [200] * 8
            assert engine.running == 8, "nobody reads, so all of them are still there"
            member = {"Authorization": "Bearer token-of-member"}
            assert httpx.get(f"{address}/tap/sync", params=asked(), headers=member).status_code == 200, "and others wait for none of them"
        until(lambda: engine.running == 0)


def test_query_that_finds_no_place_waits_for_one_and_is_told_when_it_gets_none(site: Site, jobs: JobStore, engine: StandIn) -> None:
    site.limits = lambda _platform, _identity: replace(Allowance(), at_once=1, sync=timedelta(seconds=2))
    with served(create(site, jobs)) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.get, f"{address}/tap/sync", params=asked(SLOW), timeout=30)
        until(lambda: engine.running == 1)
        assert httpx.get(f"{address}/tap/sync", params=asked(), timeout=30).status_code == 200, "there is a place when the first one ends"
        assert "longer than 2 s" in first.result().text


def test_query_that_takes_too_long_is_told_so(engine: StandIn, site: Site, jobs: JobStore) -> None:
    site.limits = lambda _platform, _identity: replace(Allowance(), sync=timedelta(seconds=0.3))
    with served(create(site, jobs)) as address:
        answer = httpx.get(f"{address}/tap/sync", params=asked(SLOW), timeout=30)
    assert answer.status_code == 400
    assert "longer than 0.3 s" in answer.text
    assert engine.running == 0
