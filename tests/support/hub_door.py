"""The hub's door for node plugins, for tests: real HTTP, with the answers that a test puts into it."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Answer = tuple[int, bytes]


class HubDoor:
    """Serves `answer(path, body)`, and `pages` by their path; the feed is the lines that `feed` yields.

    `asked` is what came, with the token of who asked.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answer: Callable[[str, Any], Answer] = lambda _path, _body: (404, b"")
        self.feed: Callable[[Callable[[bytes], None]], None] = lambda _send: None
        self.pages: dict[str, bytes] = {}
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door.asked.append((self.path, self.headers["Authorization"], None))
                if self.path in door.pages:
                    self.reply(200, door.pages[self.path])
                    return
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever listened has gone
                    door.feed(self.chunk)
                self.close_connection = True

            def chunk(self, data: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                door.asked.append((self.path, self.headers["Authorization"], body))
                self.reply(*door.answer(self.path, body))

            def reply(self, status: int, answer: bytes) -> None:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
