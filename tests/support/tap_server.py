"""A small TAP service that speaks UWS over a socket, and misbehaves when it is told to."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import numpy as np
from bowerbird.votable import Field, Header, Info, Writer, error_document

VOTABLE = "application/x-votable+xml"
MIME = f"{VOTABLE};serialization=BINARY2"
FIRST = 9007199254740993


def numbers(rows: int = 3, *, overflow: bool = False) -> bytes:
    """Return a table of identifiers, names and brightnesses with a null."""
    header = Header([Field("id", "long", ucd="meta.id"), Field("name", "unicodeChar", "*"), Field("mag", "float", unit="mag")])
    writer = Writer(header)
    magnitudes = np.ma.masked_array(np.arange(rows, dtype="f4"), np.arange(rows) == 0)
    made = writer.start() + writer.rows([np.arange(rows) + FIRST, [f"star {i}" for i in range(rows)], magnitudes])
    return made + writer.end([Info("QUERY_STATUS", "OVERFLOW")] if overflow else [])


def positions(seen: "Seen", *, overflow: bool = False) -> bytes:
    """Answer as a service does whose one table has two positions: what TAP_SCHEMA says of it, its rows, its crossmatch."""
    query = seen.form.get("QUERY", "")
    if "TAP_SCHEMA" in query:
        writer = Writer(Header([Field("column_name", "unicodeChar", "*"), Field("ucd", "unicodeChar", "*")]))
        rows: list[list[object]] = [["ra", "dec"], ["pos.eq.ra;meta.main", "pos.eq.dec;meta.main"]]
    else:
        row = [Field("bowerbird_row", "long")] if "TAP_UPLOAD" in query else []
        writer = Writer(Header([*row, Field("ra", "double", unit="deg"), Field("dec", "double", unit="deg")]))
        rows = [[1.0, 2.0], [3.0, 4.0]]
        rows[:0] = [[0, 1]] if row else []
    return writer.start() + writer.rows(rows) + writer.end([Info("QUERY_STATUS", "OVERFLOW")] if overflow else [])


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]
    files: dict[str, bytes]


@dataclass
class Reply:
    """An answer that is not the usual one; `stall` keeps the body back until the server ends."""

    status: int = 200
    body: bytes = b""
    kind: str = VOTABLE
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    stall: bool = False


@dataclass
class Job:
    """A job of the server."""

    query: str
    phase: str = "PENDING"
    error: str = ""


@dataclass
class Behaviour:
    """How the server behaves, and what it saw. `odd` gives a reply for a request, or None for the usual one."""

    answer: Callable[[Seen], bytes] = lambda _: numbers()
    odd: Callable[[Seen], Reply | None] = lambda _: None
    reads_phase: bool = True
    reads_wait: bool = True
    # Whether WAIT is answered as soon as there is news, or only when its time is over.
    prompt: bool = True
    finishes: bool = True
    formats: tuple[str, ...] = (MIME,)
    editions: dict[str, str] = field(default_factory=dict)
    info: str = ""
    seen: list[Seen] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    ended: list[tuple[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def asked(self, method: str, path: str) -> list[Seen]:
        """Return the requests for a path."""
        return [one for one in self.seen if one.method == method and urlsplit(one.path).path == f"/tap{path}"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        seen = Seen(method, self.path, {name.lower(): value for name, value in self.headers.items()}, *self._body())
        with self.behaviour.changed:
            self.behaviour.seen.append(seen)
            self.behaviour.changed.notify_all()
        reply = self.behaviour.odd(seen) or self._usual(seen)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body) + (1000 if reply.cut or reply.stall else 0)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if method == "HEAD" else reply.body)
        if reply.stall:
            self.wfile.flush()
            self.behaviour.over.wait(60)
        self.close_connection = self.close_connection or reply.cut or reply.stall

    def _body(self) -> tuple[dict[str, str], dict[str, bytes]]:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/"):
            return dict(parse_qsl(body.decode())), {}
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        form: dict[str, str] = {}
        files: dict[str, bytes] = {}
        for part in message.walk():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            if not isinstance(content, bytes):
                continue
            if part.get_filename():
                files[name] = content
            else:
                form[name] = content.decode()
        return form, files

    def _usual(self, seen: Seen) -> Reply:
        path = urlsplit(seen.path).path.removeprefix("/tap")
        if path == "/capabilities":
            mimes = "".join(f"<outputFormat><mime>{one}</mime></outputFormat>" for one in self.behaviour.formats)
            return Reply(body=f"<capabilities>{mimes}</capabilities>".encode(), kind="text/xml")
        if path.startswith("/tables/") and (edition := self.behaviour.editions.get(path.removeprefix("/tables/"))):
            return Reply(headers={"ETag": f'"{edition}"'}, kind="text/xml")
        if path == "/sync":
            return Reply(body=self.behaviour.answer(seen))
        if path == "/async" and seen.method == "POST":
            return self._created(seen)
        name, _, part = path.removeprefix("/async/").partition("/")
        with self.behaviour.changed:
            if path.startswith("/async/") and name in self.behaviour.jobs:
                return self._job(seen, name, part)
        return Reply(404, b"there is no such thing", "text/plain")

    def _created(self, seen: Seen) -> Reply:
        name = uuid.uuid4().hex[:8]
        job = Job(seen.form["QUERY"])
        with self.behaviour.changed:
            self.behaviour.jobs[name] = job
            if self.behaviour.reads_phase and seen.form.get("PHASE") == "RUN":
                job.phase = "EXECUTING"
            self.behaviour.changed.notify_all()
        return Reply(303, headers={"Location": f"{self.behaviour.url}/async/{name}"})

    def _job(self, seen: Seen, name: str, part: str) -> Reply:
        job = self.behaviour.jobs[name]
        here = {"Location": f"{self.behaviour.url}/async/{name}"}
        if seen.method == "DELETE":
            self.behaviour.ended.append((name, "DELETE"))
            del self.behaviour.jobs[name]
            self.behaviour.changed.notify_all()
            return Reply(303, headers={"Location": f"{self.behaviour.url}/async"})
        if seen.method == "POST" and part == "phase":
            self.behaviour.ended.extend([(name, "ABORT")] if seen.form["PHASE"] == "ABORT" else [])
            job.phase = {"RUN": "EXECUTING", "ABORT": "ABORTED"}[seen.form["PHASE"]]
            return Reply(303, headers=here)
        if part == "results/result":
            return Reply(body=self.behaviour.answer(Seen("GET", seen.path, seen.headers, {"QUERY": job.query}, {})))
        return self._told(seen, name, job)

    def _told(self, seen: Seen, name: str, job: Job) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(seen.path).query).items()}
        if self.behaviour.reads_wait and "WAIT" in asked and job.phase == asked.get("PHASE", job.phase) == "EXECUTING":
            self._hold(job, int(asked["WAIT"]))
        told = job.phase
        if job.phase == "EXECUTING":
            self._finish(job)
        body = (
            f'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink">'
            f"<uws:jobId>{name}</uws:jobId><uws:phase>{told}</uws:phase>"
            f'<uws:results><uws:result id="result" xlink:href="{self.behaviour.url}/async/{name}/results/result"/></uws:results>'
            f"<uws:errorSummary><uws:message>{job.error}</uws:message></uws:errorSummary>{self.behaviour.info}</uws:job>"
        )
        return Reply(body=body.encode(), kind="text/xml")

    def _hold(self, job: Job, seconds: int) -> None:
        if not self.behaviour.prompt:
            self.behaviour.changed.wait_for(self.behaviour.over.is_set, seconds)
            self._finish(job)
        elif self.behaviour.finishes:
            self._finish(job)
        else:
            self.behaviour.changed.wait(min(seconds, 1))

    def _finish(self, job: Job) -> None:
        if self.behaviour.finishes:
            job.phase = "ERROR" if job.error else "COMPLETED"


@contextmanager
def tap_server() -> Iterator[Behaviour]:
    """Serve on a free port of this machine; yields how it behaves, which may be changed."""
    behaviour = Behaviour()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"behaviour": behaviour}))
    server.daemon_threads = True
    behaviour.url = f"http://127.0.0.1:{server.server_address[1]}/tap"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="tap server")
    thread.start()
    try:
        yield behaviour
    finally:
        behaviour.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(behaviour: Behaviour, holds: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as something holds that the server may see."""
    deadline = time.monotonic() + seconds
    with behaviour.changed:
        while not holds():
            assert time.monotonic() < deadline, "it did not come to pass"
            behaviour.changed.wait(0.05)


def broken(message: str) -> bytes:
    """Return an error document of DALI."""
    return error_document(message)
