"""DataLink 1.1: what there is of a record, and the services that make something of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bowerbird.errors import NotATable, QueryRefused
from bowerbird.vo.deadline import within
from bowerbird.vo.fetch import fetched
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.results import Answer

# A few lines for each of a few records.
_MOST_BYTES = 16 << 20
_CUTS = {"#cutout", "#proc"}
_SODA = "ivo://ivoa.net/std/soda#sync"
CONTENT = "content=datalink"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A service (section 4): what it speaks, where it is, the parameters whose values are given, and the names of all that it takes."""

    standard: str
    url: str
    given: Mapping[str, str]
    takes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Links:
    """The links of records, and the services that they name; whoever gets it closes `answer.file`."""

    answer: Answer
    services: Mapping[str, Descriptor]

    def cutter(self) -> Descriptor:
        """Return the SODA service that cuts the first record; QueryRefused says why there is none."""
        table, troubles = self.answer.votable.table, []
        for row in range(len(table)):
            found = self.services.get(_text(table, "service_def", row))
            # Older archives say #proc of it: what cuts is told by what it speaks.
            if _text(table, "semantics", row) in _CUTS and found and found.standard.lower().startswith(_SODA):
                return replace(found, given={"ID": _text(table, "ID", row), **found.given})
            troubles += [trouble] if (trouble := _text(table, "error_message", row)) else []
        way_out = "take the whole file, if there is a link #this"
        raise QueryRefused(self.answer.service, reason(troubles[0]) if troubles else "nothing that would cut it", way_out)


async def ask(http: HTTP, url: str, *, seconds: float) -> Links:
    """Return the links that an address of DataLink answers with, within `seconds`."""
    service = url.partition("?")[0]
    async with within(seconds, service, way_out="or try again later"):
        answer = await fetched(http, Asked("GET", url), service, _MOST_BYTES)
    try:
        names = answer.votable.table.names
        if "semantics" not in names or "access_url" not in names:
            raise NotATable(service, "answered with a table that has no links", "give the address of its DataLink")  # noqa: TRY301  # closed below
        return Links(answer, services(answer.file, url))
    except BaseException:  # whatever is wrong, nobody else could close the file
        answer.file.close()
        raise


def services(document: IO[bytes], url: str) -> dict[str, Descriptor]:
    """Return the services that a document describes, by the name that its links have for them."""
    document.seek(0)
    try:
        root = fromstring(document.read())
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise NotATable(url, f"answered with what is no XML ({error})", "tell its administrator") from error
    found = {}
    for resource in root.iter():
        if _tag(resource) == "RESOURCE" and resource.get("utype") == "adhoc:service":
            said = {one.get("name", ""): one.get("value", "") for one in resource if _tag(one) == "PARAM"}
            if "accessURL" in said:
                takes = _inputs(resource)
                given = {name: value for name, value in takes.items() if value}
                found[resource.get("ID", "")] = Descriptor(
                    said.get("standardID", ""), urljoin(url, said["accessURL"]), given, frozenset(takes)
                )
    return found


def _inputs(resource: Element) -> dict[str, str]:
    """Return the parameters that a service takes; one whose value is not given has none."""
    groups = [one for one in resource if _tag(one) == "GROUP" and one.get("name") == "inputParams"]
    return {param.get("name", ""): param.get("value", "") for group in groups for param in group}


def reason(message: str) -> str:
    """Return what an error_message says (section 3.4), without the word for its kind."""
    kind, colon, rest = message.partition(":")
    return rest.strip() or kind if colon and kind.strip().endswith("Fault") else message


def _tag(one: Element) -> str:
    return one.tag.rpartition("}")[2]


def _text(table: Any, name: str, row: int) -> str:
    value = table[name].tolist()[row] if name in table.names else None
    return "" if value is None else str(value)
