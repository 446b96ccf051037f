"""Probes: whether a part answers, asked the way its users ask it."""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bowerbird_config.sockets import connect, read_lines, write_line

# A probe returns what is wrong, or None.
Probe = Callable[[], str | None]
TIMEOUT_SECONDS = 2.0
_REQUEST_SECONDS = 10.0
_MOST_REDIRECTS = 6


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Asks for a page and wants 200; follows redirects on this machine only.

    `door` is where to connect for the page's host, in the place of what its name leads to.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    door: str | None = None

    def __call__(self) -> str | None:
        """Return what is wrong, or None."""
        url = self.url
        home = urlsplit(url).hostname
        for _ in range(_MOST_REDIRECTS):
            try:
                door = self.door if urlsplit(url).hostname == home else None
                status, location = _ask("GET", url, self.headers, TIMEOUT_SECONDS, door)
            except (OSError, http.client.HTTPException) as error:
                return f"no answer at {url} ({_reason(error)})"
            if not (300 <= status < 400 and location):  # noqa: PLR2004  HTTP's redirects
                return None if status == http.HTTPStatus.OK else f"{url} answers {status}"
            url = urljoin(url, location)
            if urlsplit(url).hostname not in {home, "127.0.0.1", "localhost"}:
                return None
        return f"{self.url} redirects without end"


@dataclass(frozen=True, slots=True)
class Request:
    """Asks for something to be done, by a POST without a body, and wants 200."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __call__(self) -> str | None:
        """Return what went wrong, or None."""
        try:
            status, _ = _ask("POST", self.url, self.headers, _REQUEST_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer at {self.url} ({_reason(error)})"
        return None if status == http.HTTPStatus.OK else f"{self.url} answers {status}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _ask(method: str, url: str, headers: Mapping[str, str], seconds: float, door: str | None = None) -> tuple[int, str | None]:
    parts = urlsplit(url)
    host = door or parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # The certificate names the public host; here only the part behind the port is asked whether it lives.
        context = ssl._create_unverified_context()  # noqa: S323  for that reason
        connection = http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
    try:
        connection.request(
            method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers={"Host": parts.netloc, **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class OrderProbe:
    """Sends a status order to a unix socket and wants `ok`."""

    path: Path

    def __call__(self) -> str | None:
        """Return what is wrong, or None."""
        try:
            answer = order(self.path, {"op": "status"})
        except (OSError, ValueError) as error:
            return f"no answer at {self.path.name} ({_reason(error)})"
        return None if answer.get("ok") else f"{self.path.name} says {answer.get('error')}"


@dataclass(frozen=True, slots=True)
class HolderProbe:
    """Asks the holder for all names, and wants an answer."""

    path: Path

    def __call__(self) -> str | None:
        """Return what is wrong, or None."""
        try:
            with connect(self.path, TIMEOUT_SECONDS, socket.SOCK_SEQPACKET) as connection:
                connection.sendall(b"?")
                answered = connection.recv(1) == b"?"
        except OSError as error:
            return f"no answer at {self.path.name} ({_reason(error)})"
        return None if answered else f"{self.path.name} hung up"


def order(path: Path, request: Mapping[str, object]) -> dict[str, object]:
    """Send one JSON line to a unix socket and return the line that it answers."""
    with connect(path, TIMEOUT_SECONDS) as connection:
        write_line(connection, dict(request))
        for answer in read_lines(connection):
            return dict(answer)
    raise ValueError("it hung up without an answer")


@dataclass(frozen=True, slots=True)
class AllOf:
    """Wants every one of its probes, in turn."""

    probes: tuple[Probe, ...]

    def __call__(self) -> str | None:
        """Return the first thing that is wrong, or None."""
        return next((wrong for probe in self.probes if (wrong := probe())), None)


def last_line(log: Path, longest: int = 160) -> str:
    """Return the last line of a log that says something, cut to a length."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip()[:longest] for line in reversed(lines) if line.strip()), "")
