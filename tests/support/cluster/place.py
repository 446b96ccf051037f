"""A place for one cluster on this machine: a name, networks and a folder, held by a lock and swept of what a killed run left."""

import fcntl
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.cluster import addresses, cgroups
from tests.support.cluster.machine import run, wait_for
from tests.support.processes import began

# Names of interfaces end at 15 letters.
_NAMES = tuple(f"bwbk{number}" for number in range(8))
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """What one cluster may call its own until it is left."""

    name: str
    folder: Path
    addresses: addresses.Addresses
    lock: IO[str]

    def leave(self) -> None:
        """Take away all that carries the cluster's name, and let go of the name."""
        _sweep(self.name, self.folder)
        _lock_path(self.name).unlink(missing_ok=True)
        self.lock.close()


def _lock_path(name: str) -> Path:
    # Interfaces and cgroups are the machine's, so are their names; the folder may be another user's.
    return Path(f"/run/{name}.lock")


def claim(folder: Path) -> Place:
    """Return a place below a folder, having swept what runs that are dead have left; RuntimeError where all are in use."""
    claimed = None
    turn = os.open("/run", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # One chooses at a time: until its bridge stands, nobody sees which network is taken.
        fcntl.flock(turn, fcntl.LOCK_EX)
        for name in _NAMES:
            claimed = _take(name, folder / name, keep=claimed is None) or claimed
    finally:
        os.close(turn)
    if claimed is None:
        raise RuntimeError(f"{len(_NAMES)} clusters run on this machine already")
    return claimed


def _take(name: str, folder: Path, *, keep: bool) -> Place | None:
    """Sweep a name that nobody holds, and keep it if wanted."""
    lock = _hold(name)
    if lock is None:
        return None
    lock.seek(0)
    if left := lock.read().strip():
        _sweep(name, Path(left))
    if not keep:
        _lock_path(name).unlink()
        lock.close()
        return None
    lock.seek(0)
    lock.truncate()
    lock.write(str(folder))
    lock.flush()
    _sweep(name, folder)
    folder.mkdir(parents=True)
    place = Place(name, folder, addresses.choose(addresses.routed()), lock)
    _make_bridge(place)
    return place


def _open(path: Path) -> IO[str]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")


def _hold(name: str) -> IO[str] | None:
    """Return the lock of a name, or nothing where another holds it."""
    lock = _open(_lock_path(name))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _make_bridge(place: Place) -> None:
    run("ip", "link", "add", place.name, "type", "bridge")
    run("ip", "address", "add", f"{place.addresses.host}/24", "dev", place.name)
    run("ip", "link", "set", place.name, "up")


def _sweep(name: str, folder: Path) -> None:
    for record in folder.glob("*.pid"):
        _kill(*record.read_text().split())
    for link in Path("/sys/class/net").glob(f"{name}*"):
        if link.name == name or link.name.startswith(f"{name}-"):
            run("ip", "link", "delete", link.name, check=False)
    cgroups.remove(name)
    if folder.exists():
        shutil.rmtree(folder)


def _kill(pid: str, since: str) -> None:
    """Kill the machine that a record names, unless its number has gone to another process."""
    if began(int(pid)) != since:
        return
    with suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: began(int(pid)) != since, f"the end of process {pid}", _SECONDS)
