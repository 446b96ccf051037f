"""A text in ADQL becomes SQL for DuckDB, or one error that says where and what is wrong."""

from dataclasses import dataclass

from bowerbird_services.adql.dialect import parse
from bowerbird_services.adql.errors import ADQLError
from bowerbird_services.adql.functions import FUNCTIONS
from bowerbird_services.adql.selects import Queries
from bowerbird_services.cone import ConeSearch
from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.tables import Catalogue, Column, Table

NOTHING = Catalogue(())


@dataclass(frozen=True, slots=True)
class Query:
    """A translated query: SQL that names each of `tables` and `crossmatches` by its `view`, and the columns of its rows in their order.

    `cone` says the same as the SQL, where it is a cone around a place and nothing else.
    """

    sql: str
    columns: tuple[Column, ...]
    tables: tuple[Table, ...]
    crossmatches: tuple[Crossmatch, ...] = ()
    cone: ConeSearch | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of the language as TAPRegExt 1.0 declares it (section 2.3)."""

    type: str
    form: str
    description: str = ""


def translate(text: str, catalogue: Catalogue, *, limit: int | None = None, uploads: Catalogue = NOTHING) -> Query:
    """Return a query over the tables of a catalogue and of what was uploaded, of at most `limit` rows.

    Raises ADQLError. A table that is in neither does not exist, and nothing of it is said.
    """
    queries = Queries(text, (uploads, catalogue))
    try:
        selected = queries.query(parse(text), None, limit)
    except RecursionError as error:
        raise ADQLError("the query is nested too deeply") from error
    return Query(selected.sql, selected.columns, tuple(queries.tables.values()), tuple(queries.crossmatches), selected.cone)


def features() -> tuple[Feature, ...]:
    """Return all that languageFeatures declares."""
    # ADQL 2.1 dropped the feature of bitwise operators that its drafts had; the operators are understood all the same.
    base = "ivo://ivoa.net/std/TAPRegExt#features-"
    others = [
        (f"{base}adql-string", "ILIKE"),
        *((f"{base}adql-sets", word) for word in ("UNION", "EXCEPT", "INTERSECT")),
        (f"{base}adql-common-table", "WITH"),
        (f"{base}adql-type", "CAST"),
        (f"{base}adql-offset", "OFFSET"),
    ]
    named = [Feature(function.feature, function.form, function.description) for function in FUNCTIONS.values() if function.feature]
    return (*named, *(Feature(kind, form) for kind, form in others))
