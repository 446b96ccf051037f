"""XML as the protocols write it: elements with their namespaces declared at the root."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from starlette.responses import Response

from bowerbird_services.vo.dali import writable

XSI = "http://www.w3.org/2001/XMLSchema-instance"


def element(
    tag: str, attributes: Mapping[str, str] | None = None, children: Iterable["ET.Element | None"] = (), text: str = ""
) -> ET.Element:
    """Return an element; children that are None are left out."""
    made = ET.Element(tag, {name: writable(value) for name, value in (attributes or {}).items()})
    made.text = writable(text) or None
    made.extend(child for child in children if child is not None)
    return made


def optional(tag: str, text: str | None) -> ET.Element | None:
    """Return an element with a text, or None where there is none."""
    return element(tag, text=text) if text else None


def document(root: ET.Element, media_type: str = "text/xml", status: int = HTTPStatus.OK) -> Response:
    """Return an XML document as an answer."""
    written: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Response(written, status, media_type=media_type)
