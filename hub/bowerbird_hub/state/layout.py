"""The state directory on disk: made, checked, migrated, and held by one platform at a time."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bowerbird_config.paths import LAYOUT, Var
from bowerbird_config.room import START_BYTES
from bowerbird_hub.state.sqlite_copies import copy_database, is_database
from bowerbird_hub.state.state_files import read_json, write_json, write_text
from bowerbird_hub.supervision.processes import Process, find
from bowerbird_hub.supervision.records import boot_id

Step = Callable[[Var], None]
# What turns layout N into N + 1, by N. There is no layout before the first.
STEPS: Mapping[int, Step] = {}
# What a set-up that was cut short may have left: the layout's number is written last.
_NAMES = frozenset({"lock", "state", "secrets", "hub", "releases", "logs", "run", "homes", "spaces", "cache"})


class LayoutError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


class VarInUse(Exception):
    """Another `up` or `down` holds the state directory."""


@contextmanager
def held(var: Var) -> Iterator[None]:
    """Hold the state directory for this process; VarInUse where another does. A killed holder lets go."""
    handle = os.open(var.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        name_holder(handle)
        yield
    except BlockingIOError as error:
        raise VarInUse(str(var.root)) from error
    finally:
        os.close(handle)


def name_holder(handle: int) -> None:
    """Write into the lock that this process holds it."""
    us = find(os.getpid())
    os.ftruncate(handle, 0)
    told = {"pid": os.getpid(), "start_ticks": us.start_ticks if us else 0, "file": _file(os.fstat(handle)), "boot": boot_id()}
    os.pwrite(handle, json.dumps(told).encode(), 0)


def _file(known: os.stat_result) -> list[int]:
    return [known.st_dev, known.st_ino]


def is_copy(var: Var) -> bool:
    """Tell whether the lock was copied from another state directory's: it names another file than the one it is.

    Of one that was written before this boot none can tell, since disks may be numbered anew, nor need anybody: nothing
    that it names runs any more.
    """
    lock = var.root / "lock"
    try:
        own, known = _file(lock.stat()), read_json(lock)
        return bool(known.get("file", own) != own and known.get("boot") == boot_id())
    except FileNotFoundError:
        return False


def rename_holder(var: Var) -> None:
    """Write into the lock that it went over to this process: one that was forked from the holder holds it too."""
    handle = os.open(var.root / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        name_holder(handle)
    finally:
        os.close(handle)


def holder(var: Var) -> Process | None:
    """Return the process that holds the state directory, where there is one. Of a copy it is the original's, and holds nothing."""
    known = {} if is_copy(var) else read_json(var.root / "lock")
    process = find(known["pid"]) if known else None
    return process if process and process.start_ticks == known["start_ticks"] else None


def claim(var: Var) -> None:
    """Make the directory itself; LayoutError where it holds something else or a newer layout."""
    try:
        var.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise LayoutError(f"{var.root} cannot be made ({error.strerror}); name another directory with --var") from error
    refuse_unfit(var)


def refuse_unfit(var: Var) -> None:
    """LayoutError where the directory holds something else or a newer layout; one that is not there yet is fit."""
    try:
        version = version_of(var)
        foreign = version is None and var.root.is_dir() and any(entry.name not in _NAMES for entry in var.root.iterdir())
    except OSError as error:
        raise LayoutError(f"{var.root} cannot be looked into ({error.strerror}); name another directory with --var") from error
    if foreign:
        raise LayoutError(f"{var.root} holds files that are not Bowerbird's; name an empty directory with --var")
    if version is not None and version > LAYOUT:
        raise LayoutError(
            f"{var.root} has layout {version}, made by a newer Bowerbird; this one knows {LAYOUT}. "
            "Start the newer one, or name another --var"
        )


def version_of(var: Var) -> int | None:
    """Return the layout's version; None where there is none yet."""
    try:
        return int(var.layout.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LayoutError(f"{var.layout} does not hold a number; restore it from a backup, this Bowerbird writes {LAYOUT}") from error


def prepare(var: Var, steps: Mapping[int, Step] = STEPS) -> list[str]:
    """Bring a claimed directory to this layout; returns what was done, in words. LayoutError where there is no room."""
    try:
        return [*_migrate(var, steps), *_directories(var)]
    except OSError as error:
        raise LayoutError(f"{var.root} could not be set up: {error.strerror} ({error.filename}); nothing was started") from error


def _directories(var: Var) -> list[str]:
    for path in (var.platform.parent, var.secrets, var.hub, var.releases, var.logs, var.run, var.run / "parts"):
        _make(path, 0o700)
    for path in (var.homes, var.spaces, var.cache):
        _make(path, 0o711)
    free = shutil.disk_usage(var.root).free
    if free < START_BYTES:
        what = f"{var.root} has {free >> 20} MiB of room left and needs {START_BYTES >> 20} MiB; nothing was started"
        raise LayoutError(f"{what}. {may_be_deleted(var)}")
    if version_of(var) == LAYOUT:
        return []
    write_json(set_up_path(var), {"at": datetime.now(UTC).isoformat(timespec="seconds")})
    # Last, so that a set-up that stopped half-way is done again.
    write_text(var.layout, f"{LAYOUT}\n", 0o644)
    return [f"made {var.root}"]


def may_be_deleted(var: Var) -> str:
    """Say which directories take room and are made again from the releases."""
    found = " and ".join(str(path) for path in (var.surveys, var.tables) if path.is_dir() and any(path.iterdir()))
    return f"You may delete {found}: `up` makes all of it again from the releases" if found else "Make room on that disk"


def _make(path: Path, mode: int) -> None:
    path.mkdir(mode=mode, exist_ok=True)
    path.chmod(mode)


def _migrate(var: Var, steps: Mapping[int, Step]) -> list[str]:
    version = version_of(var)
    if version is None or version == LAYOUT:
        return []
    saved = save_databases(var, f"layout-{version}")
    for step in range(version, LAYOUT):
        if step not in steps:
            raise LayoutError(f"{var.root} has layout {version}, which this Bowerbird cannot bring to {LAYOUT}")
        steps[step](var)
        write_text(var.layout, f"{step + 1}\n", 0o644)
    return [f"migrated {var.root} from layout {version} to {LAYOUT}; the databases as they were: {saved}"]


def save_databases(var: Var, reason: str) -> Path:
    """Copy databases and state below `backups/`, and return where to."""
    place = var.root / "backups" / f"{reason}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    place.mkdir(mode=0o700, parents=True)
    for path in (path for directory in (var.hub, var.cas, var.platform.parent) for path in sorted(directory.glob("*"))):
        target = place / path.parent.name / path.name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if is_database(path):
            copy_database(path, target)
        elif path.is_file():
            shutil.copy2(path, target)
    return place


def set_up_path(var: Var) -> Path:
    """Return the file that says when this directory was made."""
    return var.platform.parent / "set-up.json"


def set_up_at(var: Var) -> str:
    """Return when this directory was made, as an ISO time."""
    return str(read_json(set_up_path(var)).get("at") or datetime.now(UTC).isoformat(timespec="seconds"))


def needs_database_upgrade(var: Var, jupyterhub_version: str) -> bool:
    """Tell whether another JupyterHub than this one wrote the hub's database last."""
    known = read_json(var.hub / "version.json").get("jupyterhub")
    return var.database.exists() and known != jupyterhub_version


def note_database_version(var: Var, jupyterhub_version: str) -> None:
    """Remember which JupyterHub writes the hub's database."""
    if read_json(var.hub / "version.json").get("jupyterhub") != jupyterhub_version:
        write_json(var.hub / "version.json", {"jupyterhub": jupyterhub_version})
