"""An engine for tests of the protocols: real DuckDB over a few tables, and queries in plain SQL."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
from bowerbird.votable.field import Datatype
from bowerbird_config.identity import Identity
from bowerbird_services.cone import ConeSearch
from bowerbird_services.engine import Interrupted, QueryFault, Uploads
from bowerbird_services.store import backend
from bowerbird_services.store.duckdb_backend import DuckDBResult
from bowerbird_services.tables import Catalogue, Column, Position, Table

STARS = Table(
    "demo",
    "stars",
    (
        Column("id", Datatype.LONG, ucd="meta.id;meta.main", description="identifier"),
        Column("name", Datatype.UNICODE_CHAR, "*", description="name"),
        Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main"),
        Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main"),
        Column("mag", Datatype.FLOAT, unit="mag", principal=False),
    ),
    "Some stars",
    position=Position("ra", "dec"),
    release=("demo", "dr1"),
)
SECRET = Table("hidden", "stars", STARS.columns, "Stars of a team", position=Position("ra", "dec"), release=("demo", "dr2"))
# Runs for hours, and can be interrupted at any time.
SLOW = "SELECT count(*) AS n FROM range(4000000) a, range(4000000) b WHERE (a.range * b.range) % 7 = 3"
# What a cone search needs of ADQL's geometry.
_GEOMETRY = """
create macro point(a, b) as {'ra': a, 'dec': b};
create macro circle(a, b, r) as {'ra': a, 'dec': b, 'r': r};
create macro contains(p, c) as case when degrees(acos(least(1, greatest(-1,
    sin(radians(p.dec)) * sin(radians(c.dec)) + cos(radians(p.dec)) * cos(radians(c.dec)) * cos(radians(p.ra - c.ra)))))) < c.r
    then 1 else 0 end;
"""
_TOP = re.compile(r"select\s+top\s+(\d+)", re.IGNORECASE)
_KINDS = {
    "BIGINT": Datatype.LONG,
    "INTEGER": Datatype.INT,
    "DOUBLE": Datatype.DOUBLE,
    "FLOAT": Datatype.FLOAT,
    "VARCHAR": Datatype.UNICODE_CHAR,
    "BOOLEAN": Datatype.BOOLEAN,
}


class StandIn:
    """Answers SQL over `demo.stars`; `hidden.stars` is there for `member` alone. `running` counts the queries that run now."""

    def __init__(self, rows: int = 1000) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("create schema demo; create schema hidden; create schema TAP_UPLOAD")
        self.connection.execute(_GEOMETRY)
        for schema in ("demo", "hidden"):
            self.connection.execute(
                f"""create table {schema}.stars as select 9007199254740993 + i as id,
                case when i % 7 = 0 then null else 'star ' || i end as name,
                (i * 0.36) % 360 as ra, (i % 170) - 85.0 as dec, case when i % 5 = 0 then null else (10 + i % 9)::float end as mag
                from range({rows}) t(i)"""  # noqa: S608  names of our own
            )
        self.running = 0
        self.asked: list[str] = []

    def catalogue(self, identity: Identity, _at: datetime) -> Catalogue:
        return Catalogue([STARS, SECRET] if identity.name == "member" else [STARS])

    def damage(self) -> str | None:
        return None

    def answer(self, adql: str, catalogue: Catalogue, *, limit: int | None, uploads: Uploads) -> "StandInAnswer":
        self.asked.append(adql)
        if "hidden." in adql.lower() and catalogue.get("hidden.stars") is None:
            raise QueryFault("there is no table hidden.stars")
        return StandInAnswer(self, adql, limit, {name: upload.rows for name, upload in uploads.items()})

    def cone(self, search: ConeSearch, adql: str, catalogue: Catalogue) -> "StandInAnswer":
        return self.answer(adql, catalogue, limit=search.limit, uploads={})


class StandInAnswer:
    def __init__(self, engine: StandIn, sql: str, limit: int | None, uploads: Mapping[str, pa.Table]) -> None:
        self._engine = engine
        cursor = engine.connection.cursor()
        for name, rows in uploads.items():
            cursor.register(name, rows)
        sql = sql.replace("TAP_UPLOAD.", "")
        if top := _TOP.match(sql):
            sql = f"select {sql[top.end() :]} limit {top[1]}"
        limited = f" limit {limit}" if limit is not None else ""
        text = f"select * from ({sql}){limited}"  # noqa: S608  it is all that a stand-in does
        try:
            kinds = cursor.sql(text)
            self._result = DuckDBResult(cursor, text, None)
        except duckdb.Error as error:
            raise QueryFault(str(error).splitlines()[0]) from error
        known = {column.name: column for column in STARS.columns}
        self.columns = tuple(known.get(name, self._column(name, str(kind))) for name, kind in zip(kinds.columns, kinds.types, strict=True))
        self.tables = (STARS,)

    @staticmethod
    def _column(name: str, kind: str) -> Column:
        datatype = _KINDS.get(kind, Datatype.LONG)
        return Column(name, datatype, "*" if datatype is Datatype.UNICODE_CHAR else None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._result.batches()
        except backend.Interrupted as error:
            raise Interrupted("the query was interrupted") from error
        except backend.QueryFailed as error:
            raise QueryFault(str(error)) from error

    def interrupt(self) -> None:
        self._result.interrupt()

    def __enter__(self) -> Self:
        self._engine.running += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._engine.running -= 1
        self._result.close()
