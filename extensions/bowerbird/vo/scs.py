"""SCS 1.03: the rows of one catalogue around a position."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bowerbird.errors import QueryRefused
from bowerbird.vo.deadline import within
from bowerbird.vo.fetch import fetched
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.results import Answer
from bowerbird.vo.said import error_of

_OURS = frozenset({"RA", "DEC", "SR", "MAXREC"})


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky, in degrees. `limit` is MAXREC."""

    ra: float
    dec: float
    radius: float
    limit: int | None = None

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the protocol."""
        told = {"RA": repr(self.ra), "DEC": repr(self.dec), "SR": repr(self.radius)}
        return told if self.limit is None else {**told, "MAXREC": str(self.limit)}


async def ask(http: HTTP, service: str, cone: Cone, *, seconds: float) -> Answer:
    """Return what a cone search answers within `seconds`; what it says is wrong is a QueryRefused."""
    query = urlencode(cone.parameters())
    asked = Asked("GET", address(service, cone), query=query)
    async with within(seconds, service, query, "or a smaller radius"):
        answer = await fetched(http, asked, service)
    wrong = error_of(answer.votable)
    if wrong is not None:
        answer.file.close()
        raise QueryRefused(service, wrong, "change position or radius", query)
    return answer


def address(service: str, cone: Cone) -> str:
    """Return where a cone is asked for; what the base address says besides (section 2.1) is kept."""
    parts = urlsplit(service)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.upper() not in _OURS]
    return urlunsplit((*parts[:3], urlencode([*kept, *cone.parameters().items()]), ""))
