"""A PostgreSQL of Debian, on a free port in a directory of its own; nothing is left of it. Root starts it, and it runs as `postgres`."""

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.cas import free_port

# Whoever owns a cluster by Debian's package.
USER = "postgres"
_SECONDS = 90.0


def programs() -> Path | None:
    """Return where PostgreSQL's programs lie, the newest ones; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


needs_postgres = pytest.mark.skipif(programs() is None, reason="needs PostgreSQL: apt-get install postgresql-15")


@dataclass(frozen=True, slots=True)
class Door:
    """Where it listens, at a free port where none is named, and to whom."""

    address: str = "127.0.0.1"
    port: int = 0
    network: str = "127.0.0.1/32"


HERE = Door()


@dataclass(frozen=True, slots=True)
class Place:
    """Where all of it lies, and how its programs are run."""

    root: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def how(self) -> dict[str, Any]:
        """What every program is started with: another user, and an environment that names only this place."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.root), "LC_ALL": "C.UTF-8", **self.more}
        return {"user": USER, "group": USER, "extra_groups": [], "cwd": self.root, "env": environment}

    def run(self, *argv: str | Path, inside: str = ".") -> None:
        """Run a program to its end; RuntimeError with what it said where it fails."""
        how = self.how | {"cwd": self.root / inside}
        ended = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=_SECONDS, **how)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))} failed: {ended.stdout[-2000:]}")

    @contextmanager
    def program(self, argv: Sequence[str | Path], end: signal.Signals) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a program while the block runs, and end it by a signal."""
        with (
            (self.root / f"{Path(argv[0]).name}.log").open("wb") as log,
            subprocess.Popen(argv, stdout=log, stderr=log, **self.how) as child,
        ):
            try:
                yield child
            finally:
                child.send_signal(end)
                _wait(child)

    def write(self, name: str, text: str) -> None:
        """Write a file that the other user can read."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _wait(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()


def give(path: Path) -> None:
    """Let the other user have a directory."""
    shutil.chown(path, USER, USER)
    path.chmod(0o755)


@contextmanager
def database(place: Place, name: str, settings: Sequence[str] = (), *, password: str = "", door: Door = HERE) -> Iterator[tuple[int, str]]:
    """Run PostgreSQL with an empty database of that name; yields its port at the door and the words by which libpq finds it.

    Without a password nobody comes in but by its socket.
    """
    found = programs()
    assert found is not None
    cluster, port = place.root / "cluster", door.port or free_port()
    place.write("password", password or "unused")
    how = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={place.root / 'password'}")
    place.run(found / "initdb", "-D", cluster, "-E", "UTF8", "--locale=C.UTF-8", *how)
    with (cluster / "pg_hba.conf").open("a") as doors:
        doors.write(f"host all all {door.network} scram-sha-256\n")
    addresses = door.address if password else ""
    own = (f"port={port}", f"listen_addresses={addresses}", f"unix_socket_directories={place.root}", "fsync=off")
    options = [part for setting in (*own, *settings) for part in ("-c", setting)]
    # SIGINT is PostgreSQL's "fast": it ends what runs and does not wait for clients.
    with place.program([found / "postgres", "-D", cluster, *options], signal.SIGINT) as child:
        _await_ready([found / "pg_isready", "-h", place.root, "-p", str(port)], child)
        place.run(found / "createdb", "-h", place.root, "-p", str(port), "--encoding=UTF-8", "--template", "template0", name)
        yield port, f"dbname={name} host={place.root} port={port}"


@contextmanager
def postgres(name: str, door: Door = HERE) -> Iterator[str]:
    """Run a PostgreSQL for one database, and yield the address that an administrator would give."""
    password = secrets.token_hex(8)
    # Not under our own temporary directory, which only we may enter.
    with tempfile.TemporaryDirectory(prefix="bowerbird-postgres-", dir="/var/tmp") as folder:
        place = Place(Path(folder))
        give(place.root)
        with database(place, name, password=password, door=door) as (port, _):
            yield f"postgresql://{USER}:{password}@{door.address}:{port}/{name}"


def _await_ready(asking: Sequence[str | Path], child: "subprocess.Popen[bytes]") -> None:
    def ready() -> bool:
        return subprocess.run(asking, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    await_start(ready, child, "PostgreSQL")


def await_start(ready: Callable[[], bool], child: "subprocess.Popen[bytes]", name: str) -> None:
    """Wait for a program that was started; RuntimeError where it ends or takes too long."""
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not start")
        time.sleep(0.05)
