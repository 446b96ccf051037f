"""DALI 1.1: parameters, limits on what is sent, and error documents."""

import asyncio
import math
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from bowerbird_config.problems import nearest
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message

# Said of what nobody foresaw; the traceback is in the log.
BROKEN: Final = "the service failed on this request and wrote down why; tell the admins of the platform when"
VOTABLE: Final = "application/x-votable+xml"
# What a request without a file may say; the longest query is far shorter.
MAX_TEXT_BYTES = 2 << 20
# Section 3.4 of 1.1: what any service may be asked, whether it means something there or not.
_OF_ALL: Final = frozenset({"REQUEST", "VERSION", "RESPONSEFORMAT", "MAXREC", "RUNID"})
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_FIELDS = 200
_MAX_FILES = 20
# Of a request that is too large, so much is read and thrown away (bytes, and for how long).
_MOST_DRAINED = 64 << 20
_DRAIN_SECONDS = 10.0


class Fault(Exception):
    """A request that is refused; its text is for whoever asked, and `status` is the answer's."""

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = int(status)
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Parameters:
    """The parameters of one request: names without case, each with every value that was given."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, UploadFile] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], files: Mapping[str, UploadFile] | None = None) -> "Parameters":
        """Gather pairs of names and values."""
        gathered: dict[str, list[str]] = {}
        for name, value in pairs:
            gathered.setdefault(name.upper(), []).append(value)
        return cls({name: tuple(values) for name, values in gathered.items()}, files or {})

    async def close(self) -> None:
        """Let the files go that came with the request."""
        for file in self.files.values():
            await file.close()

    def many(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter that may be repeated."""
        return self.values.get(name, ())

    def filled(self, name: str) -> tuple[str, ...]:
        """Return every value that says something: forms send those that nobody filled in too."""
        return tuple(text.strip() for text in self.many(name) if text.strip())

    def only(self, known: Collection[str]) -> None:
        """Return where each parameter is one of those or of all services; Fault where one is not (section 3.3 of 1.2).

        Where a parameter narrows what comes, a mistyped one that is passed over gives everything.
        """
        for name in sorted(self.values.keys() - _OF_ALL - set(known)):
            meant = nearest(name, known)
            there = f"did you mean {meant}? There" if meant else "there"
            raise Fault(f"there is no parameter {shown(name)}; {there} are {', '.join(known)}")

    def single(self, name: str) -> str | None:
        """Return the one value of a parameter, None where it is absent or empty; Fault where it was given twice."""
        given = self.values.get(name, ())
        if len(given) > 1:
            raise Fault(f"{name} was given {len(given)} times; give it once")
        return given[0] if given and given[0] != "" else None

    def needed(self, name: str) -> str:
        """Return the one value of a parameter that must be there."""
        value = self.single(name)
        if value is None:
            raise Fault(f"{name} is missing")
        return value

    def count(self, name: str) -> int | None:
        """Return a parameter that is a number from 0 upwards."""
        value = self.single(name)
        if value is None:
            return None
        try:
            number = int(value.strip())
        except ValueError:
            raise Fault(f"{name} is {shown(value)}, which is no whole number") from None
        if number < 0:
            raise Fault(f"{name} is {number}; it must be 0 or more")
        return number

    def number(self, name: str) -> float:
        """Return a parameter that is a finite number and must be there."""
        value = self.needed(name)
        try:
            number = float(value)
        except ValueError:
            raise Fault(f"{name} is {shown(value)}, which is no number; write it in decimal degrees") from None
        if not math.isfinite(number):
            raise Fault(f"{name} is {shown(value)}; it must be finite")
        return number


def shown(value: str) -> str:
    """Return what somebody sent as it stands in a message: quoted, and short."""
    return repr(value if len(value) <= 60 else f"{value[:57]}…")  # noqa: PLR2004  one line of a message


async def parameters(request: Request, most_bytes: int = MAX_TEXT_BYTES, most_fields: int = _MAX_FIELDS) -> Parameters:
    """Read a request's parameters, from its query and its body; Fault where that is longer than `most_bytes` or no form."""
    try:
        return await _parameters(request, most_bytes, most_fields)
    except Fault as fault:
        if fault.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            await _drain(request)
        raise


async def _drain(request: Request) -> None:
    """Read what still comes of a request, within bounds: who cannot send all of it, as the proxy before us, takes us for dead."""
    left = _MOST_DRAINED
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


async def _parameters(request: Request, most_bytes: int, most_fields: int) -> Parameters:
    pairs = list(request.query_params.multi_items())
    if request.method not in {"POST", "PUT"}:
        return Parameters.of(pairs)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    multipart = kind == _FORM_TYPES[1]
    limited = _limited(request, most_bytes if multipart else min(most_bytes, MAX_TEXT_BYTES))
    if kind not in _FORM_TYPES:
        if await limited.body():
            raise Fault(f"the body is {kind or 'of no type'}; send a form", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return Parameters.of(pairs)
    try:
        form = await limited.form(max_files=_MAX_FILES, max_fields=most_fields, max_part_size=MAX_TEXT_BYTES)
    except MultiPartException as error:
        raise Fault(f"the form cannot be read: {error.message}") from error
    files: dict[str, UploadFile] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files[name] = value
        else:
            pairs.append((name, value))
    return Parameters.of(pairs, files)


def _limited(request: Request, most_bytes: int) -> Request:
    """Return the request as one that ends with a Fault when more than so many bytes come."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most_bytes:
        raise _too_large(most_bytes)
    come = 0

    async def receive() -> Message:
        nonlocal come
        message = await request.receive()
        come += len(message.get("body", b""))
        if come > most_bytes:
            raise _too_large(most_bytes)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return message

    return Request(request.scope, receive)


def _too_large(most_bytes: int) -> Fault:
    return Fault(f"the request is larger than {most_bytes} bytes, the most that you may send", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def error_document(message: str) -> bytes:
    """Return the VOTable that says what went wrong."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        f'<INFO name="QUERY_STATUS" value="ERROR">{escape(writable(message))}</INFO></RESOURCE></VOTABLE>\n'
    ).encode()


def error_response(fault: Fault) -> Response:
    """Return the answer that a refused request gets."""
    return Response(error_document(str(fault)), fault.status, media_type=VOTABLE, headers=fault.headers)


def attribute(value: str) -> str:
    """Return a text as a quoted XML attribute."""
    return quoteattr(writable(value))


def writable(text: str) -> str:
    """Return a text with the characters replaced that XML 1.0 has no way to write."""
    return _UNWRITABLE.sub("\ufffd", text)
