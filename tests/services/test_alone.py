"""Two of the services at one directory, as two pods are for a moment when one is deleted: the second waits for the end of the first."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bowerbird_services import main

from tests.services.waiting import until
from tests.support.cas import free_port

START_SECONDS = 60
_WAITS = "another one of these services works in"


class Services:
    """A process of the services, whose log is a file."""

    def __init__(self, place: Path, name: str) -> None:
        self.port = free_port()
        self.log = place / name
        told = {
            "port": self.port,
            "images-port": free_port(),
            "address": "http://there.example/vo",
            "prefix": "/vo",
            "hub": "http://127.0.0.1:9",
        }
        told |= {each: place / each for each in ("tables", "surveys", "state", "releases")}
        (place / "look.css").touch()
        words = [f"--{key}={value}" for key, value in {**told, "look": place / "look.css"}.items()]
        tokens = {"JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api", "JUPYTERHUB_API_TOKEN": "secret"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", main.__name__, *words], stderr=log, env=tokens)

    def listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def waits(self) -> bool:
        return _WAITS in self.log.read_text()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS)


@contextmanager
def started(place: Path, name: str) -> Iterator[Services]:
    services = Services(place, name)
    try:
        yield services
    finally:
        services.process.kill()
        services.process.wait()


def test_second_begins_when_the_first_has_ended(tmp_path: Path) -> None:
    with started(tmp_path, "first") as first, started(tmp_path, "second") as second:
        pair = (first, second)
        until(lambda: any(each.listens() for each in pair) and any(each.waits() for each in pair), START_SECONDS)
        (serving,), (waiting,) = ([each for each in pair if each.waits() is waits] for waits in (False, True))
        assert not waiting.listens()
        with started(tmp_path, "third") as third:
            until(third.waits, START_SECONDS)
            third.end()
            # As it says itself: by a signal that nobody handled it would be the signal's number.
            assert third.process.returncode == 0
        serving.end()
        until(waiting.listens, START_SECONDS)
