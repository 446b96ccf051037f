"""SCS 1.03: the rows of one table around a position, asked of TAP's engine as ADQL."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from bowerbird.votable.field import TEXTS, Datatype
from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.cone import ConeSearch
from bowerbird_services.engine import Answer, QueryFault
from bowerbird_services.formats import Description, chosen
from bowerbird_services.site import Site
from bowerbird_services.sky_regions import DECLINATIONS, RADII, RIGHT_ASCENSIONS
from bowerbird_services.store.names import delimited
from bowerbird_services.streams import Outflow
from bowerbird_services.tables import Catalogue, Column, Table
from bowerbird_services.vo import vosi
from bowerbird_services.vo.dali import VOTABLE, Fault, Parameters, attribute, parameters
from bowerbird_services.vo.tap import form_of, limit_of, named_table
from bowerbird_services.vo.xml import document

# Section 2.2.2: each of these stands at exactly one field, in this old spelling.
ID, RA, DEC = "ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"
_OLD: Final = frozenset({ID, RA, DEC})
_SCS_VERBOSITY: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a cone search of a table shows: the columns of an answer, each under its own name, and the query up to its circle."""

    table: Table
    columns: tuple[Column, ...]
    outputs: tuple[tuple[str, str], ...]
    begin: str


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky in degrees, and how much of each row is asked for."""

    ra: float
    dec: float
    radius: float
    verbosity: int = 2


def cone(given: Parameters) -> Cone:
    """Return the cone that is asked for; Fault where it is none."""
    ra, dec, radius = given.number("RA"), given.number("DEC"), given.number("SR")
    for name, value, among in (("RA", ra, RIGHT_ASCENSIONS), ("DEC", dec, DECLINATIONS), ("SR", radius, RADII)):
        if not among.holds(value):
            raise Fault(f"{name} is {value:g}; it must be between {among.low:g} and {among.high:g} degrees")
    verbosity = given.count("VERB")
    if verbosity is not None and verbosity not in _SCS_VERBOSITY:
        raise Fault(f"VERB is {verbosity}; it is 1, 2 or 3")
    return Cone(ra, dec, radius, 2 if verbosity is None else verbosity)


def identifier(table: Table) -> Column:
    """Return the column that tells rows apart: by its UCD, else the first that could."""
    others = [column for column in table.columns if table.position is None or column.name not in {table.position.ra, table.position.dec}]
    main = (column for column in others if (column.ucd or "").lower() in {"meta.id;meta.main", "id_main"})
    some = (column for column in others if (column.ucd or "").lower().startswith("meta.id"))
    likely = (column for column in others if column.datatype in TEXTS or column.datatype in {Datatype.LONG, Datatype.INT})
    return next(main, None) or next(some, None) or next(likely, None) or table.columns[0]


def columns(table: Table, verbosity: int) -> tuple[Column, ...]:
    """Return the columns of an answer as SCS describes them: the identifier is a text, the position is in doubles."""
    position = table.position
    if position is None:
        raise Fault(f"{table.full_name} has no positions, so there is no cone to search", HTTPStatus.NOT_FOUND)
    main = identifier(table)
    found = []
    for column in table.columns:
        if column.name == main.name:
            found.append(replace(column, ucd=ID, datatype=Datatype.CHAR, arraysize="*", unit=None))
        elif column.name in {position.ra, position.dec}:
            old = RA if column.name == position.ra else DEC
            found.append(replace(column, ucd=old, datatype=Datatype.DOUBLE, arraysize=None, unit="deg"))
        elif _SCS_VERBOSITY[-1] == verbosity or (verbosity != 1 and column.principal):
            found.append(replace(column, ucd=None) if column.ucd in _OLD else column)
    return tuple(found)


def shown(table: Table, verbosity: int) -> Shown:
    """Return what a cone search shows; Fault where the table has no positions."""
    found = columns(table, verbosity)
    position = table.position
    assert position is not None  # noqa: S101 - `columns` has refused a table without
    names = ", ".join(delimited(column.name) for column in found)
    point = f"POINT({delimited(position.ra)}, {delimited(position.dec)})"
    begin = f"SELECT {names} FROM {delimited(table.schema)}.{delimited(table.name)} WHERE 1 = CONTAINS({point}, "  # noqa: S608
    return Shown(table, found, tuple((column.name, column.name) for column in found), begin)


def query(shown: Shown, asked: Cone) -> str:
    """Return the ADQL that answers."""
    return f"{shown.begin}CIRCLE({asked.ra!r}, {asked.dec!r}, {asked.radius!r}))"


def error_document(message: str) -> bytes:
    """Return the VOTable that says what is wrong with a request (section 2.3)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<INFO ID="Error" name="Error" value={attribute(message)}/><RESOURCE type="results"/></VOTABLE>\n'
    ).encode("utf-8", "replace")


def _named(request: Request, catalogue: Catalogue) -> Table:
    return named_table(catalogue, f"{request.path_params['schema']}.{request.path_params['table']}")


class SCSService:
    """Answers for every table with positions of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        # By table and verbosity; another making of a table is another object.
        self._shown: dict[tuple[str, int], Shown] = {}

    def routes(self) -> list[Route]:
        """Return the addresses below /scs."""
        return [
            Route("/{schema}/{table}", self.search, methods=["GET", "POST"]),
            Route("/{schema}/{table}/capabilities", self.capabilities),
        ]

    async def _table(self, request: Request, identity: Identity) -> Table:
        return _named(request, await self._site.threads.run(self._site.engine.catalogue, identity, self._site.clock()))

    async def search(self, request: Request) -> Response:
        """Answer a cone; what is wrong with a request is told as SCS wants it."""
        identity = await self._site.identities.of(request)
        try:
            return await self._search(request, identity)
        except Fault as error:
            if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN}:
                raise
            return Response(error_document(str(error)), media_type=VOTABLE)
        except QueryFault as error:
            return Response(error_document(str(error)), media_type=VOTABLE)

    async def _search(self, request: Request, identity: Identity) -> Response:
        site = self._site
        given = await parameters(request)
        await given.close()
        asked = cone(given)
        form = form_of(given) if given.single("RESPONSEFORMAT") else chosen("votable/td")
        assert form is not None  # noqa: S101 - it is one of ours
        # A radius of nothing asks what the columns are.
        limit = limit_of(given, site.allowance(identity)) if asked.radius else 0

        seen: Shown

        def open_answer() -> Answer:
            nonlocal seen
            catalogue = site.engine.catalogue(identity, site.clock())
            seen = self._seen(_named(request, catalogue), asked.verbosity)
            search = ConeSearch(seen.table, seen.outputs, asked.ra, asked.dec, asked.radius, limit + 1 if limit else 0)
            return site.engine.cone(search, query(seen, asked), catalogue)

        def describe(answer: Answer) -> Description:
            infos = (("standardID", vosi.CONE_SEARCH), ("QUERY", query(seen, asked)), ("SERVICE_PROTOCOL", "SCS 1.03"))
            return Description(seen.columns, infos, site.spool, tables=answer.tables)

        flow = Outflow(open_answer, form, describe, limit)
        # Many clients of cone searches compare the media type as a text.
        media_type = "application/x-votable+xml" if form.mime.startswith(VOTABLE) else form.mime
        return await site.answer(request, identity, flow, media_type, form.text)

    def _seen(self, table: Table, verbosity: int) -> Shown:
        known = self._shown.get((table.view, verbosity))
        if known is None or known.table is not table:
            known = self._shown[table.view, verbosity] = shown(table, verbosity)
        return known

    async def capabilities(self, request: Request) -> Response:
        """Tell what the cone search of a table can do."""
        identity = await self._site.identities.of(request)
        table = await self._table(request, identity)
        address = f"{self._site.address_of(request)}/scs/{table.schema}/{table.name}"
        return document(vosi.scs_capabilities(address, table, self._site.allowance(identity).most_rows))
