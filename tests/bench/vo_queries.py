"""The table service and its client over HTTP: beside pyvo and, with --peers, beside DaCHS on the same machine over the same rows."""

import asyncio
import http.client
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import numpy as np
import pyarrow as pa
import pyvo
import requests
from astropy.table import QTable
from bowerbird.vo.http import HTTP
from bowerbird.vo.records import Records
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird.vo.uploads import document
from bowerbird.votable import read
from bowerbird.votable.field import Datatype
from bowerbird_services import adql
from bowerbird_services.tables import Catalogue, Column, Position, Table

from tests.bench import small_jobs
from tests.bench.row import Row, paired
from tests.bench.table_service import ROWS, TABLE, TOKEN, Service, service, stars
from tests.support.dachs import DaCHS, dachs

_RADIUS = 0.1
_UPLOADED = 100_000
_FEW = 100_000
_ASKED = 24
_SIGNED = {"Authorization": f"Bearer {TOKEN}"}
_MATCH = "SELECT m.n, s.id FROM {} AS m JOIN {} AS s ON DISTANCE(m.ra, m.dec, s.ra, s.dec) < 1/3600.0"

_JOIN = "FROM mine m, sky.stars s WHERE q3c_join(m.ra, m.dec, s.ra, s.dec, 1/3600.0::float8)"


def cone(table: str, ra: float, dec: float) -> str:
    """Return the query of a small cone."""
    inside = f"CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra!r}, {dec!r}, {_RADIUS}))"
    return f"SELECT id, ra, dec, mag FROM {table} WHERE 1 = {inside}"  # noqa: S608  names and numbers of our own


def _places(number: int) -> list[tuple[float, float]]:
    dice = np.random.default_rng(number)
    return [(round(float(dice.uniform(151, 169)), 6), round(float(dice.uniform(-9, 9)), 6)) for _ in range(_ASKED)]


class _Asker:
    """A client that costs little beside what it asks: one connection, answers read and not parsed."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self._path, self._headers = urlsplit(address).path, headers
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=300)

    def ask(self, form: dict[str, str]) -> bytes:
        """Return the answer to a GET."""
        self._connection.request("GET", f"{self._path}?{urlencode(form)}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{self._path} answers {answer.status}: {body[:500]!r}")
        return body


def _rate(clients: int, make: Callable[[], _Asker], forms: Sequence[dict[str, str]]) -> float:
    """Return the questions a second that so many clients have answered."""
    shares = [forms[first::clients] for first in range(clients)]
    askers = [make() for _ in shares]

    def answered(asker: _Asker, share: Sequence[dict[str, str]]) -> int:
        return sum(len(asker.ask(form)) for form in share)

    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        list(pool.map(answered, askers, shares))
        return len(forms) / (time.perf_counter() - start)


def _sync(table: str, places: Sequence[tuple[float, float]]) -> list[dict[str, str]]:
    return [{"LANG": "ADQL", "QUERY": cone(table, *place), "MAXREC": "10000"} for place in places]


def _search(places: Sequence[tuple[float, float]]) -> list[dict[str, str]]:
    return [{"RA": str(ra), "DEC": str(dec), "SR": str(_RADIUS)} for ra, dec in places]


def _identifiers(body: bytes) -> list[int]:
    # The cone search of DaCHS writes them as text.
    return sorted(int(identifier) for identifier in read(body).table["id"])


def _same(what: str, ours: object, theirs: object) -> None:
    if ours != theirs or not ours:
        raise AssertionError(f"{what}: the peer's answer is another, or there is none")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _against(name: str, what: str, measured: tuple[list[float], list[float]], unit: str, goal: float, peer: str = "DaCHS") -> Row:
    return Row.against(name, what, *measured, peer_name=peer, unit=unit, goal=goal, better="higher")


def translation(rounds: int) -> Row:
    """Measure the translation of one query after another, none of which was seen before."""
    columns = (Column("id", Datatype.LONG), *(Column(name, Datatype.DOUBLE) for name in ("ra", "dec", "mag")))
    known = Catalogue([Table("sky_dr1", "stars", columns, position=Position("ra", "dec"), rows=ROWS)])
    texts = [cone(TABLE, *place) for place in _places(1)]
    texts += [_MATCH.format(f"(SELECT id AS n, ra, dec FROM {TABLE} WHERE mag < {n})", TABLE) for n in range(12)]  # noqa: S608  our own
    texts += [f"SELECT ROUND(ra, {n}) AS bin, COUNT(*), AVG(mag) FROM {TABLE} GROUP BY ROUND(ra, {n}) ORDER BY bin" for n in range(12)]  # noqa: S608
    found = []
    for number in range(rounds):
        for text in texts:
            start = time.perf_counter()
            adql.translate(f"{text} -- {number}", known)
            found.append(1000 * (time.perf_counter() - start))
    what = "ADQL translated for DuckDB: cones, crossmatches, groups, each text for the first time"
    return Row.alone("ADQL", what, found, unit="ms", goal=2, better="lower")


def _out(url: str, table: str, limit: int, headers: dict[str, str]) -> float:
    """Return the rows a second of an answer that is read as fast as it comes."""
    form = {"LANG": "ADQL", "QUERY": f"SELECT TOP {limit} id, ra, dec, mag FROM {table}", "MAXREC": str(limit)}  # noqa: S608
    start, size = time.perf_counter(), 0
    with httpx.stream("POST", f"{url}/sync", data=form, headers=headers, timeout=600, trust_env=False) as answer:
        for chunk in answer.iter_raw():
            size += len(chunk)
    if size < limit:
        raise RuntimeError(f"{url} gave no {limit} rows")
    return limit / (time.perf_counter() - start)


async def _asked(url: str, token: str | None, question: Question) -> Any:
    tokens = Tokens({url: token} if token else {})
    async with HTTP(tokens) as pool:
        return await TAP(pool, url, Records(None)).ask(question, seconds=600)


def _client(url: str, question: Question, token: str | None = TOKEN) -> QTable:
    answer = asyncio.run(_asked(url, token, question))
    with answer.file:
        return answer.to_qtable()


def _pyvo(url: str, headers: dict[str, str]) -> Any:
    session = requests.Session()
    session.headers.update(headers)
    session.trust_env = False
    return pyvo.dal.TAPService(url, session=session)


def _mine(table: pa.Table, rows: int = _UPLOADED) -> pa.Table:
    """Return positions of one's own beside stars of the table, most of them within 1″."""
    dice = np.random.default_rng(4)
    chosen = table.take(dice.choice(table.num_rows, rows, replace=False))
    ra, dec = (chosen[name].to_numpy() + dice.normal(0, 1e-4, rows) for name in ("ra", "dec"))
    return pa.table({"n": np.arange(rows), "ra": ra, "dec": dec})


def _uploader() -> httpx.Client:
    """Return a client that is there before it is asked, as a notebook's is."""
    return httpx.Client(timeout=600, trust_env=False)


def _matched(client: httpx.Client, served: Service, mine: bytes) -> bytes:
    """Return the crossmatch by upload, from the request to the last byte of the answer."""
    form = {"LANG": "ADQL", "QUERY": _MATCH.format("TAP_UPLOAD.mine", TABLE), "UPLOAD": "mine,param:mine", "MAXREC": "1000000"}
    files = {"mine": ("mine.vot", mine, "application/x-votable+xml")}
    answer = client.post(f"{served.tap}/sync", data=form, files=files, headers=_SIGNED)
    answer.raise_for_status()
    return answer.content


def _memory(served: Service) -> list[Row]:
    """Measure ten million rows out, and the most memory that the service had through all that was asked of it."""
    before = served.memory_mib()
    times = f"(SELECT TOP 10 id AS other FROM {TABLE}) AS t"  # noqa: S608  our own
    _out(served.tap, f"{TABLE}, {times}", 10_000_000, _SIGNED)
    grown = max(0.0, served.memory_mib() - before)
    left = Row.alone("memory-10e7", "anonymous memory that 10⁷ rows out leave behind", [grown], unit="MiB", goal=64, better="lower")
    return [left, _most(served, "memory", "through all of it")]


def _most(served: Service, name: str, when: str) -> Row:
    return Row.alone(name, f"the most anonymous memory of the service {when}", [served.most_mib], unit="MiB", goal=350, better="lower")


def rows(rounds: int) -> list[Row]:
    """Measure what needs no peer but pyvo: translation, a million rows into a QTable, memory."""
    found = [translation(rounds)]
    with service() as served:
        limits = {ROWS: Question(f"SELECT TOP {ROWS} * FROM {TABLE}", limit=ROWS, keep=False)}  # noqa: S608
        fewer = f"SELECT TOP {_FEW} * FROM {TABLE}"  # noqa: S608
        tap = _pyvo(served.tap, _SIGNED)

        def theirs() -> float:
            return _FEW / _seconds(lambda: QTable(tap.run_sync(fewer, maxrec=_FEW).to_table()))

        def ours() -> float:
            return ROWS / _seconds(lambda: _client(served.tap, limits[ROWS]))

        what = f"{ROWS:,} rows by TAP into a QTable (pyvo: {_FEW:,} of them)"
        found.append(_against("rows-qtable", what, paired(rounds, ours, theirs), "row/s", 10, "pyvo"))
        mine = document(_mine(stars()))
        with _uploader() as client:
            taken = [_seconds(lambda: _matched(client, served, mine)) for _ in range(rounds)]
        what = f"upload of {_UPLOADED:,} rows matched with {ROWS:,} within 1″ over HTTP"
        found.append(Row.alone("P12-alone", what, taken, unit="s", goal=1, better="lower"))
        found += _memory(served)
    return found


def _cones(served: Service, peer: DaCHS, rounds: int) -> list[Row]:
    """Compare cones by TAP and by SCS, for one client and eight."""
    places = _places(2)
    kinds = (
        ("TAP sync cone", 12.0, (f"{served.tap}/sync", _sync(TABLE, places)), (f"{peer.tap}/sync", _sync("sky.stars", places))),
        ("cone search (SCS)", 3.0, (served.cone, _search(places)), (peer.cone, _search(places))),
    )
    found = []
    for title, goal, (here, asked), (there, asked_there) in kinds:
        for form, other in zip(asked[:3], asked_there[:3], strict=True):
            _same(title, _identifiers(_Asker(here, _SIGNED).ask(form)), _identifiers(_Asker(there, {}).ask(other)))
        for clients in (1, 8):
            pair = paired(
                rounds,
                lambda: _rate(clients, lambda: _Asker(here, _SIGNED), asked),  # noqa: B023  measured now
                lambda: _rate(clients, lambda: _Asker(there, {}), asked_there),  # noqa: B023
            )
            name = f"P9-{'tap' if 'TAP' in title else 'scs'}-{clients}"
            found.append(_against(name, f"{title}, signed in, clients: {clients}", pair, "query/s", goal))
    return found


def _small_jobs(served: Service, peer: DaCHS, rounds: int) -> list[Row]:
    """Compare one small asynchronous query from its text to its table."""
    tap, places = _pyvo(peer.tap, {}), chain.from_iterable(map(_places, count(5)))
    return small_jobs.rows(served, peer, lambda adql: tap.run_async(adql).to_table(), lambda table: cone(table, *next(places)), rounds)


def _joined(peer: DaCHS) -> float:
    """Return the seconds of the join alone in PostgreSQL, of which no row leaves it."""
    told = peer.sql("SET max_parallel_workers_per_gather = 2", f"EXPLAIN (ANALYZE, TIMING OFF) SELECT m.n, s.id {_JOIN}")
    took = re.search(r"Execution Time: ([\d.]+) ms", told)
    assert took, told
    return float(took[1]) / 1000


def _crossmatch(served: Service, peer: DaCHS, table: pa.Table, rounds: int) -> Row:
    mine = _mine(table)
    values = ",".join(f"({n},{ra!r},{dec!r})" for n, ra, dec in zip(*(mine[name].to_pylist() for name in ("n", "ra", "dec")), strict=True))
    peer.script(f"CREATE TABLE mine (n int, ra float8, dec float8); INSERT INTO mine VALUES {values}; ANALYZE mine;")  # noqa: S608
    uploaded = document(mine)
    wanted = int(peer.sql(f"SELECT count(*) {_JOIN}"))
    with _uploader() as client:
        _same("crossmatch", len(read(_matched(client, served, uploaded)).table), wanted)
        pair = paired(rounds, lambda: _seconds(lambda: _matched(client, served, uploaded)), lambda: _joined(peer))
    what = f"upload of {_UPLOADED:,} rows matched with {ROWS:,} within 1″ over HTTP"
    return _against("P12", what, pair, "s", 10, "q3c_join alone in PostgreSQL")


def peer_rows(rounds: int) -> list[Row]:
    """Measure beside DaCHS; its rows are ours."""
    table = stars()
    with service() as served, dachs(table) as peer:
        found = [*_cones(served, peer, rounds), *_small_jobs(served, peer, rounds), _crossmatch(served, peer, table, rounds)]
        outs = paired(rounds, lambda: _out(served.tap, TABLE, ROWS, _SIGNED), lambda: _out(peer.tap, "sky.stars", _FEW, {}))
        found.append(_against("rows-out", f"{ROWS:,} rows by TAP sync (DaCHS: {_FEW:,} of them)", outs, "row/s", 8))
        found.append(_most(served, "memory-peers", "beside DaCHS"))
    return found
