"""TAP 1.1: what a query asks for, and its answer at once; `asynchronous.py` has the jobs."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bowerbird_services.allowances import Allowance
from bowerbird_services.formats import FORMATS, Format, chosen
from bowerbird_services.tables import Catalogue, Table
from bowerbird_services.vo.dali import Fault, Parameters

# DALI 1.1, section 4.4.3: an answer says by which standard it is.
STANDARD: Final = ("standardID", "ivo://ivoa.net/std/TAP")
_LANGUAGES: Final = ("ADQL", "ADQL-2.0", "ADQL-2.1")
_VERSIONS: Final = ("1.0", "1.1")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as it was asked for, checked; `limit` is the most rows that come."""

    adql: str
    form: Format
    limit: int

    @property
    def overflow(self) -> bool:
        """Whether the answer is said to be cut off, whatever it would have (DALI 1.1, section 3.4.4)."""
        return self.limit == 0


def asked(parameters: Parameters, allowance: Allowance) -> Asked:
    """Return what is asked for; Fault where it is not a query that can be answered."""
    request = parameters.single("REQUEST")
    if request is not None and request.lower() != "doquery":
        raise Fault(f"REQUEST is {request!r}; this service knows doQuery only")
    version = parameters.single("VERSION")
    if version is not None and version not in _VERSIONS:
        raise Fault(f"VERSION is {version!r}; this service knows {' and '.join(_VERSIONS)}")
    language = parameters.needed("LANG")
    if language.upper() not in _LANGUAGES:
        raise Fault(f"LANG is {language!r}; this service knows {', '.join(_LANGUAGES)}")
    adql = parameters.needed("QUERY")
    return Asked(adql, form_of(parameters), limit_of(parameters, allowance))


def form_of(parameters: Parameters) -> Format:
    """Return the format that is asked for, by its name of TAP 1.1 or of 1.0."""
    name = parameters.single("RESPONSEFORMAT") or parameters.single("FORMAT")
    form = chosen(name)
    if form is None:
        known = ", ".join(dict.fromkeys(alias for each in FORMATS for alias in each.aliases))
        raise Fault(f"RESPONSEFORMAT is {name!r}; this service writes {known}")
    return form


def limit_of(parameters: Parameters, allowance: Allowance) -> int:
    """Return how many rows may come."""
    wanted = parameters.count("MAXREC")
    return min(allowance.rows if wanted is None else wanted, allowance.most_rows)


def named_table(catalogue: Catalogue, name: str) -> Table:
    """Return the table of that name; Fault where it is not there for whoever asks, with the reason if its release is announced."""
    table = catalogue.get(name)
    if table is not None:
        return table
    why = catalogue.refusal(name)
    if why is not None:
        raise Fault(f"there is no table {name!r}. {why}", HTTPStatus.FORBIDDEN)
    raise Fault(f"there is no table {name!r}", HTTPStatus.NOT_FOUND)
