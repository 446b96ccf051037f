"""A small archive of one image: SIA 2.0, DataLink 1.1 and SODA 1.0 over a socket, and faults when it is told to."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import bowerbird
from bowerbird.votable import Field, Header, Writer, error_document

VOTABLE = "application/x-votable+xml"
DATALINK = f"{VOTABLE};content=datalink"
DID = "ivo://example.org/sky?one/mosaic.fits"
SENTENCE = "Reading release sky/dr2 is refused: it is proprietary, until 2199. Who can change that: the owners of team craft (a@b.org)."
_DESCRIPTOR = """<RESOURCE type="meta" utype="adhoc:service" ID="cutter">
<PARAM name="standardID" datatype="char" arraysize="*" value="ivo://ivoa.net/std/SODA#sync-1.0"/>
<PARAM name="accessURL" datatype="char" arraysize="*" value="{url}/soda/sync"/>
<GROUP name="inputParams"><PARAM name="ID" datatype="char" arraysize="*" value="{did}"/>
<PARAM name="CIRCLE" datatype="double" arraysize="3" xtype="circle" unit="deg" value=""/></GROUP></RESOURCE>"""
Reply = tuple[int, bytes, str]


@dataclass
class Archive:
    """What it has, what it saw, and, by the beginning of a path, what it answers instead."""

    image: Path
    url: str = ""
    seen: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    instead: dict[str, Reply] = field(default_factory=dict)

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return the parameters of the questions to a path."""
        return [given for where, given, _ in self.seen if where == path]


def _table(fields: list[Field], columns: list[list[object]], *, results: bool = True) -> bytes:
    writer = Writer(Header(fields))
    return writer.start() + (writer.rows(columns) if results else b"") + writer.end()


def records(archive: Archive) -> bytes:
    """Return its one record."""
    texts = {
        "dataproduct_type": "image",
        "obs_publisher_did": DID,
        "access_url": f"{archive.url}/datalink/links?ID={DID}",
        "access_format": DATALINK,
    }
    fields = [*(Field(name, "char", "*") for name in texts), Field("s_ra", "double", unit="deg"), Field("em_min", "double", unit="m")]
    return _table(fields, [[value] for value in (*texts.values(), 150.0, 5e-7)])


def links(archive: Archive) -> bytes:
    """Return its links: the file, a way to cut it, and a preview that is not there."""
    names = ("ID", "access_url", "service_def", "error_message", "semantics", "description", "content_type")
    rows = [
        (DID, f"{archive.url}/files/mosaic.fits", None, None, "#this", "the image", "image/fits"),
        (DID, None, "cutter", None, "#cutout", "a piece of it", "image/fits"),
        (DID, None, None, "NotFoundFault: the preview was never made", "#preview", "", "image/png"),
    ]
    fields = [*(Field(name, "char", "*") for name in names), Field("content_length", "long", unit="byte")]
    document = _table(fields, [*map(list, zip(*rows, strict=True)), [archive.image.stat().st_size, 0, 0]])
    return document.replace(b"</VOTABLE>", _DESCRIPTOR.format(url=archive.url, did=DID).encode() + b"</VOTABLE>")


def cutout(archive: Archive, given: dict[str, str]) -> Reply:
    """Return the box of pixels around a circle."""
    if given.get("ID") != DID:
        return 404, b"NotFoundFault: no such image", "text/plain"
    ra, dec, radius = map(float, given["CIRCLE"].split())
    made = io.BytesIO()
    try:
        bowerbird.cutout(archive.image, (ra, dec), f"{2 * radius} deg").writeto(made)
    except bowerbird.OutsideImage:
        return 204, b"", "image/fits"
    return 200, made.getvalue(), "image/fits"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.archive.seen.append((parts.path, given, self.headers.get("Authorization", "")))
        usual: dict[str, Callable[[], Reply]] = {
            "/sia2/query": lambda: (200, records(self.archive), VOTABLE),
            "/datalink/links": lambda: (200, links(self.archive), DATALINK),
            "/soda/sync": lambda: cutout(self.archive, given),
        }
        gone = (404, error_document("there is no such thing"), VOTABLE)
        status, body, kind = self.archive.instead.get(parts.path) or usual.get(parts.path, lambda: gone)()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def archive_server(image: Path) -> Iterator[Archive]:
    """Serve an image on a free port of this machine."""
    archive = Archive(image)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"archive": archive}))
    server.daemon_threads = True
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="archive server")
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
