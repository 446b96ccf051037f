"""SQLite databases: copied as one moment's state while others write them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

_MAGIC = b"SQLite format 3\0"
# What SQLite keeps beside a database; part of the copy that the backup interface makes.
COMPANIONS = ("-wal", "-shm", "-journal")


def is_database(path: Path) -> bool:
    """Tell whether a file is an SQLite database."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def is_companion(path: Path) -> bool:
    """Tell whether a file only belongs to the database beside it."""
    return any(path.name.endswith(end) and is_database(path.with_name(path.name.removesuffix(end))) for end in COMPANIONS)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that may be in use; the copy has its mode. sqlite3.Error where it is damaged."""
    with closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # Where the original has a write-ahead log, whoever read the copy would leave files beside it: it is to be one file.
        new.execute("PRAGMA journal_mode=DELETE")
        found = str(new.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise sqlite3.DatabaseError(f"{source.name}: {found}")
    target.chmod(source.stat().st_mode & 0o777)
