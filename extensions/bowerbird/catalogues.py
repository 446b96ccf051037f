"""Rows of tables: by a query, around a position, or beside a table of your own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
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
    from bowerbird.vo.uploads import document  # noqa: PLC0415  # as above

    uploads = {name: document(table) for name, table in (tables or {}).items()}
    return _asked(Question(adql, uploads, limit, background), service, seconds, form)


def _asked(question: "Question", service: str | None, seconds: float, form: Form) -> Any:
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # as above
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    if form not in ("qtable", "table", "arrow", "pyvo"):
        raise ValueError(f"form is {form!r}; it is 'qtable', 'table', 'arrow' or 'pyvo'")
    answer = LOOP.run(session().tap(service).ask(question, seconds=seconds))
    with answer.file:
        answer.warn()
        return getattr(answer, f"to_{form}")()
