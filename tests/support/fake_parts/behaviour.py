"""How a fake part behaves: files in a directory say so, and each start leaves a line there. Standard library only."""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def begin(name: str) -> None:
    """Note the start, then do what the files ask for: `NAME.fail`, `NAME.slow` (seconds), `NAME.deaf`."""
    place = Path(os.environ.get("FAKE_PARTS", "/nowhere"))
    if place.is_dir():  # the proxy is not told it
        with (place / f"{name}.starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        if (place / f"{name}.deaf").exists():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if (place / f"{name}.slow").exists():
            time.sleep(float((place / f"{name}.slow").read_text()))
        if (place / f"{name}.fail").exists():
            sys.exit(f"{name} was told to fail")
    print(f"{name} runs as {os.getuid()}", flush=True)


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no access log and answers in few words."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"{}") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Return a server on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server
