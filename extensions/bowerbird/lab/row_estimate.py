"""How many rows a query will bring, said before they come."""

import re
from collections.abc import Callable

from bowerbird.errors import ServiceError, ServiceSlow
from bowerbird.spaced import spaced

_BOUND = re.compile(r"\bTOP\s+\d|^\s*SELECT\s+COUNT\s*\(|\bTAP_SCHEMA\b|^\s*WITH\b", re.IGNORECASE)
_MANY = 100_000
SECONDS = 3.0


def warning(adql: str, count: Callable[[str], int]) -> str:
    """Return a sentence where many rows, or nobody knows how many, will come; nothing for a query that bounds them itself.

    `count` asks a query for one number.
    """
    if _BOUND.search(adql):
        return ""
    try:
        rows = count(f"SELECT COUNT(*) AS rows_found FROM ({adql.strip().rstrip(';')}) AS asked")  # noqa: S608  # the user's own query
    except ServiceSlow:
        return f"How many rows will come was not counted within {SECONDS:g} s; --limit ROWS bounds them, an interrupt stops the query."
    except (ServiceError, ValueError):
        # What is wrong with the query, the query itself is told.
        return ""
    if rows < _MANY:
        return ""
    return f"{spaced(rows)} rows will come; --limit ROWS gets fewer, an interrupt stops the query."
