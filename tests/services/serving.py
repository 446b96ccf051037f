"""The application really served: uvicorn on a free port, in a thread of the test."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from bowerbird_services.listening import listening
from starlette.types import ASGIApp

START_SECONDS = 30


def address_of(found: socket.socket) -> str:
    """Return the address that is served at a socket."""
    return f"http://127.0.0.1:{found.getsockname()[1]}"


@contextmanager
def served(app: ASGIApp, at: socket.socket | None = None) -> Iterator[str]:
    """Serve an application; yields its address without a slash at the end."""
    at = at or listening("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([at])), name="served application")
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            assert time.monotonic() < deadline, "the application does not start"
            time.sleep(0.01)
        yield address_of(at)
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        at.close()
        assert not thread.is_alive(), "the application does not end"
