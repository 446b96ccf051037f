"""The CAS protocol 3.0: bytes of a CAS server -> typed answers; no network, no tornado.

What a server writes into a failure often echoes the ticket or a URL (CAS-Protocol-Specification 2.5.3 leaves it free),
so nothing of a reply but the user, the attributes and a known failure code ever leaves this module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MAX_REPLY_BYTES = 256 * 1024
MAX_LOGOUT_BYTES = 16 * 1024
CAS = "{http://www.yale.edu/tp/cas}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
# Section 3.1.1 wants the prefix and the set of characters; real servers add host names, so dots and underscores.
_TICKET = re.compile(r"ST-[A-Za-z0-9._:~+/=-]{1,253}")

FAILURES: Mapping[str, str] = MappingProxyType(
    {
        "INVALID_REQUEST": "the sign-on server found the request incomplete",
        "INVALID_TICKET_SPEC": "the sign-on server refused the kind of ticket",
        "UNAUTHORIZED_SERVICE": "the sign-on server does not know this platform",
        "UNAUTHORIZED_SERVICE_PROXY": "the sign-on server does not let this platform act for others",
        "INVALID_PROXY_CALLBACK": "the sign-on server could not reach this platform's proxy callback",
        "INVALID_TICKET": "the ticket of this sign-on was used before, is too old, or was never given",
        "INVALID_SERVICE": "the ticket of this sign-on was given for another service",
        "INTERNAL_ERROR": "the sign-on server had an error of its own",
    }
)
_OTHER_FAILURE = "the sign-on server refused the ticket for a reason that this platform does not know"


class CASError(Exception):
    """A reply that signs nobody on; its text may be shown and logged."""


class MalformedReply(CASError):
    """The reply is not what CAS 3.0 says it must be."""


class TicketRefused(CASError):
    """The server answered `authenticationFailure`; `code` is one of the protocol's, or `UNKNOWN`."""

    def __init__(self, code: str) -> None:
        self.code = code if code in FAILURES else "UNKNOWN"
        super().__init__(FAILURES.get(code, _OTHER_FAILURE))


@dataclass(frozen=True, slots=True)
class CasUser:
    """Whom a ticket stands for, with every attribute as all of its values."""

    name: str
    attributes: Mapping[str, tuple[str, ...]]

    def first(self, attribute: str | None) -> str | None:
        """Return the only value of an attribute; None where it is absent."""
        values = set(self.attributes.get(attribute or "", ()))
        if len(values) > 1:
            raise MalformedReply(f"the sign-on server gave {len(values)} values of {attribute!r}, where one is expected")
        return values.pop() if values else None


def is_service_ticket(text: str) -> bool:
    """Tell whether a text has the form of a service ticket; proxy tickets do not sign anybody on here."""
    return _TICKET.fullmatch(text) is not None


def _root(body: bytes, limit_bytes: int) -> Element:
    if len(body) > limit_bytes:
        raise MalformedReply(f"the reply is longer than {limit_bytes // 1024} KiB")
    # Comments and instructions stay in the tree, so that one inside a name is seen and refused.
    builder = TreeBuilder(insert_comments=True, insert_pis=True)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # The parser's own words may quote the document.
        raise MalformedReply("the reply is not plain XML") from error
    return root


def _elements(parent: Element) -> list[Element]:
    """Return the children that are elements; comments between them mean nothing."""
    # A comment's tag is the function that makes comments, whatever the type says.
    return [child for child in parent if not callable(child.tag)]


def _text(element: Element) -> str:
    """Return the text of an element that holds nothing but text: no child or comment cuts a name in two."""
    if len(element):
        raise MalformedReply(f"the reply nests elements inside <{element.tag.removeprefix(CAS)}>")
    return (element.text or "").strip()


def _one(parent: Element, tag: str) -> Element:
    found = parent.findall(tag)
    if len(found) != 1:
        raise MalformedReply(f"the reply has {len(found)} <{tag.removeprefix(CAS)}> elements, where one is expected")
    return found[0]


def _attributes(success: Element) -> Mapping[str, tuple[str, ...]]:
    """Gather the values of every attribute; their order means nothing, and a server may change it at will."""
    gathered: dict[str, tuple[str, ...]] = {}
    for block in success.findall(CAS + "attributes"):
        for attribute in _elements(block):
            if attribute.tag.startswith(CAS) and len(attribute) == 0:
                name = attribute.tag.removeprefix(CAS)
                gathered[name] = (*gathered.get(name, ()), (attribute.text or "").strip())
    return MappingProxyType(gathered)


def parse_service_response(body: bytes) -> CasUser:
    """Return the user of a `serviceValidate` reply; CASError on everything that is not exactly one."""
    root = _root(body, MAX_REPLY_BYTES)
    if root.tag != CAS + "serviceResponse":
        raise MalformedReply("the reply is not a CAS serviceResponse")
    children = _elements(root)
    if len(children) != 1:
        raise MalformedReply(f"the reply holds {len(children)} answers, where one is expected")
    answer = children[0]
    if answer.tag == CAS + "authenticationFailure":
        raise TicketRefused(answer.get("code", "").strip())
    if answer.tag != CAS + "authenticationSuccess":
        raise MalformedReply("the reply is neither a success nor a failure")
    name = _text(_one(answer, CAS + "user"))
    if not name:
        raise MalformedReply("the reply names nobody")
    return CasUser(name, _attributes(answer))


def parse_logout_request(body: bytes) -> str:
    """Return the SessionIndex, a service ticket, of a single-logout request; MalformedReply where there is none."""
    root = _root(body, MAX_LOGOUT_BYTES)
    if root.tag != SAMLP + "LogoutRequest":
        raise MalformedReply("the request is not a SAML LogoutRequest")
    index = _text(_one(root, SAMLP + "SessionIndex"))
    if not index:
        raise MalformedReply("the logout request names no session")
    return index
