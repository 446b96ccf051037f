"""Backups: a platform's state as one directory, taken while it runs, and put back into an empty one."""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePath

from bowerbird_config.paths import LAYOUT, Var
from bowerbird_hub.state import layout
from bowerbird_hub.state.copied import forget_servers
from bowerbird_hub.state.inventory import inventory
from bowerbird_hub.state.sqlite_copies import copy_database, is_companion, is_database
from bowerbird_hub.state.state_files import read_json, write_json
from bowerbird_hub.state.tree_copy import Special, TreeCopy

MANIFEST = "bowerbird-backup.json"
CONTENT = "var"
_FORMAT = 1
# Everything of a state directory but what is made again: run/, logs/, cache/, tables/, what queries spill, and the releases unless
# asked for.
_JOBS = "services/jobs"
_DIRECTORIES = ("state", "secrets", "hub", "cas", "homes", "spaces", _JOBS)
_FILES = ("layout", "platform.yaml", "demo-accounts.txt")


class BackupError(Exception):
    """A backup could not be made or put back; the message says why and what to do."""


def back_up(var: Var, place: Path, *, with_releases: bool = False) -> int:
    """Copy a platform's state to a directory that does not exist yet; returns the number of files. All of it or nothing."""
    if layout.version_of(var) is None:
        raise BackupError(f"{var.root} holds no platform, so there is nothing to back up; name one with --var")
    if place.exists():
        raise BackupError(f"{place} exists already; name a new directory for each backup")
    if place.is_relative_to(var.root):
        raise BackupError(f"{place} lies in what it would save; name a directory outside of {var.root}")
    draft = place.with_name(f".{place.name}.unfinished-{os.getpid()}")
    try:
        draft.mkdir(mode=0o700, parents=True)
        copied = _copy(var.root, draft / CONTENT, (*_DIRECTORIES, *(["releases"] if with_releases else [])))
        write_json(draft / MANIFEST, _manifest(var, draft / CONTENT, with_releases=with_releases))
        draft.rename(place)
    except OSError as error:
        raise BackupError(f"the backup was not made: {error.strerror} ({error.filename or place}); nothing of it is left") from error
    except sqlite3.Error as error:
        raise BackupError(f"the backup was not made: a database of {var.root} is damaged ({error}); nothing of it is left") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copied


def _manifest(var: Var, copy: Path, *, with_releases: bool) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "layout": layout.version_of(var),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_from": str(var.root),
        "made_by_uid": os.geteuid(),
        "inventory": asdict(inventory(copy)),
        "tables": "left out: `up` makes them again from the releases",
        "surveys": "left out: `up` makes them again from the releases",
        "releases": "saved" if with_releases else "left out: `up` makes the demo releases again, by config/default/recipe/build.py",
    }


def _copy(source: Path, target: Path, directories: tuple[str, ...]) -> int:
    copy = TreeCopy(special=_database_or_companion)
    target.mkdir(mode=0o755)
    for name in directories:
        if (source / name).is_dir():
            (target / name).parent.mkdir(mode=0o700, exist_ok=True)
            copy.special = _SPECIAL.get(PurePath(name).parts[0], _database_or_companion)
            copy.copy(source / name, target / name)
    for name in _FILES:
        with suppress(FileNotFoundError):
            shutil.copy2(source / name, target / name, follow_symlinks=False)
    return copy.copied


def _not_special(_source: Path, _target: Path) -> bool:
    # A database in somebody's home is theirs: it is copied as the file that it is.
    return False


def _database_or_companion(source: Path, target: Path) -> bool:
    if is_companion(source):
        return True
    if not is_database(source):
        return False
    copy_database(source, target)
    known = source.stat()
    if os.geteuid() == 0:
        os.chown(target, known.st_uid, known.st_gid)
    return True


def _of_jobs(source: Path, target: Path) -> bool:
    # What was uploaded for a job is whatever somebody sent, and no database of ours.
    return source.name.startswith("jobs.sqlite") and _database_or_companion(source, target)


_SPECIAL: Mapping[str, Special] = {"homes": _not_special, "spaces": _not_special, "releases": _not_special, "services": _of_jobs}


def restore(place: Path, var: Var) -> int:
    """Put a backup into a directory that is empty or does not exist; returns the number of files. All of it or nothing."""
    made_by = _check(place)
    if var.root.exists() and any(var.root.iterdir()):
        raise BackupError(f"{var.root} is not empty; restore into a new directory with --var")
    if os.geteuid() not in {0, made_by}:
        raise BackupError("only root can give files back to their owners; run it as root")
    draft = var.root.with_name(f".{var.root.name}.unfinished-{os.getpid()}")
    try:
        var.root.parent.mkdir(parents=True, exist_ok=True)
        names = tuple(sorted(path.name for path in (place / CONTENT).iterdir() if path.is_dir()))
        copied = _copy(place / CONTENT, draft, names)
        forget_servers(Var(draft).database)
        draft.rename(var.root)
    except OSError as error:
        raise BackupError(f"the backup was not restored: {error.strerror} ({error.filename}); {var.root} is as it was") from error
    except sqlite3.Error as error:
        raise BackupError(f"the backup was not restored: a database in it is damaged ({error}); {var.root} is as it was") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copied


def _check(place: Path) -> int | None:
    """Return who made the backup; BackupError where it is none for us."""
    try:
        manifest = read_json(place / MANIFEST)
    except OSError as error:
        raise BackupError(f"{place} cannot be read ({error.strerror}); who made it can restore it") from error
    if manifest.get("format") != _FORMAT:
        raise BackupError(f"{place} is no backup that this Bowerbird can read: {MANIFEST} is missing, damaged or of another format")
    if int(manifest.get("layout") or 0) > LAYOUT:
        raise BackupError(f"{place} has layout {manifest['layout']}, of a newer Bowerbird; this one knows {LAYOUT}. Use the newer one")
    _check_whole(place, manifest.get("inventory"))
    return manifest.get("made_by_uid")


def _check_whole(place: Path, told: dict[str, object] | None) -> None:
    """Refuse a backup that has lost something on its way; one of an earlier version says nothing of what it holds."""
    if told is None:
        return
    found = asdict(inventory(place / CONTENT))
    if found != told:
        raise BackupError(
            f"{place} is not as it was made: it has {found['entries']} files and directories, and had {told.get('entries')}, "
            "or one of them has another size; restore another copy of it"
        )
