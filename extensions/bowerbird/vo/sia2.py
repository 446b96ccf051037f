"""SIA 2.0: the images and cubes around a position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bowerbird.vo.deadline import within
from bowerbird.vo.fetch import fetched
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.results import Answer


@dataclass(frozen=True, slots=True)
class Search:
    """A circle on the sky, in degrees; `more` are other parameters of the protocol, each with its values. `limit` is MAXREC."""

    ra: float
    dec: float
    radius: float
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    limit: int | None = None

    def parameters(self) -> dict[str, Sequence[str]]:
        """Return the parameters of the protocol."""
        told: dict[str, Sequence[str]] = {"POS": [f"CIRCLE {self.ra!r} {self.dec!r} {self.radius!r}"], **self.more}
        return told if self.limit is None else {**told, "MAXREC": [str(self.limit)]}


def interval(low: float, high: float) -> str:
    """Return an interval as DALI writes it; an end that is infinite is open."""
    return f"{_bound(low)} {_bound(high)}"


def _bound(value: float) -> str:
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value) or repr(value)


async def ask(http: HTTP, service: str, search: Search, *, seconds: float) -> Answer:
    """Return the records of images that a service has, within `seconds`."""
    query = urlencode(search.parameters(), doseq=True)
    asked = Asked("GET", address(service, search.parameters()), query=query)
    async with within(seconds, service, query, "or a smaller radius"):
        return await fetched(http, asked, service)


def address(service: str, parameters: Mapping[str, str | Sequence[str]]) -> str:
    """Return an address with parameters; what it says besides is kept."""
    parts = urlsplit(service)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.upper() not in parameters]
    return urlunsplit((*parts[:3], urlencode([*kept, *parameters.items()], doseq=True), ""))
