"""Rows of tables: by a query, around a position, or beside a table of your own."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from bowerbird.vo.jobs import Follower
    from bowerbird.vo.left_job import LeftJob
    from bowerbird.vo.pairs import Find
    from bowerbird.vo.tap import Question

Form = Literal["qtable", "table", "arrow", "pyvo"]


def query(  # noqa: PLR0913  # most are named when they are given
    adql: str,
    tables: Mapping[str, Any] | None = None,
    service: str | None = None,
    *,
    limit: int | None = None,
    seconds: float = 600,
    background: bool = False,
    cache: bool = True,
    form: Form = "qtable",
) -> Any:
    """Return the rows that a query in ADQL gives.

    Parameters
    ----------
    adql : str
        The query.
    tables : mapping, optional
        Tables of your own by name (astropy, Arrow, pandas, or a dict of columns): they are uploaded, and named
        ``TAP_UPLOAD.name`` in the query.
    service : str, optional
        The address of any TAP service; without it, the platform's own.
    limit : int, optional
        The most rows to get; fewer than there are come with the warning `Overflow`.
    seconds : float
        What everything together may take. What is interrupted or late is also stopped at the service.
    background : bool
        Whether it runs as a job of the service (TAP async), which may take longer than one request.
    cache : bool
        Whether an answer of the last day may come from your disk (~/.cache/bowerbird/answers). Only answers that everybody
        may read are kept there; with False the service is asked, and nothing is kept.
    form : str
        What to return: "qtable" (the default), "table" (astropy's), "arrow" or "pyvo".

    Returns
    -------
    QTable, Table, pyarrow.Table or pyvo.dal.TAPResults
        The rows; `meta["overflow"]` of an astropy table says whether there would have been more.

    Raises
    ------
    ServiceError
        No answer: the message names the service, the query, and the way out.

    """
    from bowerbird.vo.tap import Question  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.uploads import documents  # noqa: PLC0415  # as above

    if not isinstance(adql, str):
        told = "a query is a text in ADQL, like 'SELECT TOP 10 * FROM gaia_bright_dr3.stars'"
        raise BadArgument(f"{told}, not {adql!r}")
    uploads = documents({} if tables is None else tables)
    return asked(Question(adql, uploads, limit, background, cache), service, seconds, form)


def cone(  # noqa: PLR0913  # most are named when they are given
    position: Any,
    radius: Any,
    table: str | None = None,
    service: str | None = None,
    *,
    limit: int | None = None,
    seconds: float = 600,
    cache: bool = True,
) -> Any:
    """Return the rows of a table around a position.

    Parameters
    ----------
    position : SkyCoord, str or (ra, dec)
        Where: two numbers are degrees; a text is a position, or the name of an NGC, IC or Messier object.
    radius : Quantity or str
        How far, such as ``"2 arcmin"``.
    table : str, optional
        The name of the table in a TAP service, such as ``"gaia_bright_dr3.stars"``; without it, `service` is a cone search.
    service : str, optional
        The address of any TAP service, by default the platform's own, or, without a table, of any cone search (SCS).
    limit : int, optional
        The most rows to get.
    seconds : float
        What everything together may take.
    cache : bool
        As in `query`; a cone search is always asked.

    Returns
    -------
    QTable
        All columns of the rows inside.

    """
    from bowerbird.vo.crossmatch import Service, position_columns  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.names import position as found  # noqa: PLC0415  # as above

    at, reach = found(position), degrees(radius)
    if table is None:
        return _cone_search(service, (float(at.ra.deg), float(at.dec.deg), reach), limit, seconds)
    there = Service(lambda adql: query(adql, service=service, seconds=seconds, cache=cache), _explained(service, seconds))
    ra, dec = position_columns(there, table)
    circle = f"CIRCLE('ICRS', {float(at.ra.deg)!r}, {float(at.dec.deg)!r}, {reach!r})"
    adql = f"SELECT * FROM {table} WHERE 1 = CONTAINS(POINT('ICRS', {ra}, {dec}), {circle})"  # noqa: S608  # the name is checked
    return query(adql, service=service, limit=limit, seconds=seconds, cache=cache)


def jobs() -> "list[LeftJob]":
    """Return the jobs of yours (``background=True``) whose rows no notebook has got yet, oldest first.

    Their kernel was killed, or their token ended; or another notebook waits for them now.

    Returns
    -------
    list
        Each has ``query``, ``service`` and ``url``; ``rows()`` waits for it and returns its rows, ``stop()`` ends it.

    """
    from bowerbird.vo.left_job import LeftJob  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    return [LeftJob(record.query, record.service, record.url) for record in session().records.all()]


def _cone_search(service: str | None, circle: tuple[float, float, float], limit: int | None, seconds: float) -> Any:
    from bowerbird.vo import addresses, scs  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # as above
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    if not service:
        raise BadArgument("name a table, as in 'gaia_bright_dr3.stars', or the address of a cone search with service=")
    answer = LOOP.run(scs.ask(session().http, addresses.named(service), scs.Cone(*circle, limit), seconds=seconds))
    with answer.file:
        answer.warn()
        return answer.to_qtable()


def match(  # noqa: PLR0913  # most are named when they are given
    table: Any,
    other: Any,
    radius: Any,
    service: str | None = None,
    *,
    find: "Find" = "best",
    epochs: tuple[float | None, float | None] = (None, None),
    seconds: float = 600,
) -> Any:
    """Return the rows of a table, each beside the row of another that is at the same place on the sky.

    Where a table has proper motions and both epochs are known, positions are brought to one epoch first; where that
    cannot be done, a warning says why.

    Parameters
    ----------
    table : table or SkyCoord
        A table of your own (astropy, Arrow, pandas, or a dict of columns), with a position in each row.
    other : str, table or SkyCoord
        The name of a table in the service, or another table of your own.
    radius : Quantity or str
        The largest separation, such as ``"1 arcsec"``.
    service : str, optional
        The address of any TAP service that takes uploads; without it, the platform's own.
    find : str
        "best": of each row the nearest; "all": all pairs; "symmetric": pairs that are the nearest of each other.
    epochs : pair of float
        The Julian years of the two tables' positions, where the tables do not say them.
    seconds : float
        What each query may take.

    Returns
    -------
    QTable
        The columns of both (``_other`` is added to a name that both have) and their ``separation``.

    """
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  # `import bowerbird` stays light
    from astropy.table import QTable  # noqa: PLC0415  # as above

    from bowerbird.vo import crossmatch  # noqa: PLC0415  # as above
    from bowerbird.vo.uploads import as_table  # noqa: PLC0415  # as above

    years = _years(epochs)
    if find not in ("best", "all", "symmetric"):
        raise BadArgument(f"find is {find!r}; it is 'best', 'all' or 'symmetric'")
    reach = degrees(radius) * 3600

    def mine(given: Any) -> QTable:
        return QTable([given.ravel()], names=["position"]) if isinstance(given, SkyCoord) else as_table(given, QTable)

    if not isinstance(other, str):
        return crossmatch.local(mine(table), mine(other), reach, find, years)

    def ask(adql: str, tables: Mapping[str, Any] | None = None) -> Any:
        return query(adql, tables, service, seconds=seconds)

    there = crossmatch.Service(ask, _explained(service, seconds))
    return crossmatch.remote(there, mine(table), other, reach, find, years)


def _years(epochs: Any) -> tuple[float | None, float | None]:
    try:
        first, second = (None if one is None else float(one) for one in epochs)
    except (TypeError, ValueError):
        way_out = "give two Julian years, and None for a table that says its own, like (1991.25, None)"
        raise BadArgument(f"epochs is {epochs!r}; {way_out}") from None
    return first, second


def _explained(service: str | None, seconds: float) -> Callable[[str], None]:
    """Return what raises the reason that a service gives for a table which is closed."""
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    return lambda table: LOOP.run(session().tap(service).check_open(table, seconds=seconds))


def degrees(radius: Any) -> float:
    """Return a radius in degrees; ValueError says how it is written."""
    from astropy.units import UnitsError  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.angles import angle_in_degrees  # noqa: PLC0415  # as above

    try:
        found = angle_in_degrees(radius)
    except (ValueError, TypeError, UnitsError):
        raise BadArgument(f"radius is {radius!r}; write an angle with its unit, like '1 arcsec'") from None
    if not 0 < found <= 180:  # noqa: PLR2004  # the whole sky
        raise BadArgument(f"radius is {radius!r}; it is above 0 and at most 180 deg")
    return found


def asked(  # most are named when they are given
    question: "Question",
    service: str | None,
    seconds: float,
    form: Form,
    *,
    follow: "Follower | None" = None,
    look: Callable[[], None] | None = None,
) -> Any:
    """Return what a question brings; `follow` hears how a job stands, in any thread, and `look` is called meanwhile in this one."""
    from bowerbird.vo.jobs import nobody  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # as above
    from bowerbird.vo.results import check_form  # noqa: PLC0415  # as above
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    check_form(form)
    answer = LOOP.run(session().tap(service).ask(question, seconds=seconds, follow=follow or nobody), look)
    with answer.file:
        answer.warn()
        return answer.to(form)
