"""A state directory that was copied file by file, perhaps while its platform ran: what runs there is the original's."""

import fcntl
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.state import layout
from bowerbird_hub.state.layout import LayoutError


def disown(var: Var) -> str | None:
    """Make a platform of its own of a copy, before any process is sought by what it says; returns that in words.

    None where it is none. A copy's lock names the file that it was copied from, and whoever holds that one.
    """
    if not layout.is_copy(var):
        return None
    handle = os.open(var.root / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _forget(var)
        # Last, so that what was cut short is done again.
        os.ftruncate(handle, 0)
    except BlockingIOError:
        return None  # somebody is at it, or holds the directory itself
    finally:
        os.close(handle)
    return f"{var.root} is a copy of another platform's: what runs there is left alone, and this one begins without servers"


def _forget(var: Var) -> None:
    # Records of processes and sockets, and, where views were mounted, what the copying read through them. rm crosses no mount.
    argv = ["rm", "-rf", "--one-file-system", "--", str(var.run)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LayoutError(f"{var.root} is a copy, and {var.run} in it could not be removed: {done.stderr.strip().splitlines()[0]}")
    try:
        forget_servers(var.database)
    except sqlite3.Error as error:
        raise LayoutError(
            f"{var.root} is a copy, and its {var.database.name} is damaged ({error}); copy a stopped platform, or use `bowerbird backup`"
        ) from error


def forget_servers(database: Path) -> None:
    """Take the servers out of the hub's database: those it names, if they still run, are another platform's."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as connection:
        if connection.execute("select 1 from sqlite_master where name = 'spawners'").fetchone():
            connection.execute("delete from servers where id in (select server_id from spawners)")
            connection.execute("update spawners set server_id = null, state = null, started = null")
            connection.commit()
