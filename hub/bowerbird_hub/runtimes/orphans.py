"""Servers that no record of the hub owns: ended at the hub's start, with their groups, files and views."""

import logging
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.runtimes import launch, remnants
from bowerbird_hub.runtimes.keeper_client import KeeperError
from bowerbird_hub.runtimes.local import Host
from bowerbird_hub.runtimes.places import ServerPlace, mark_of

_log = logging.getLogger("bowerbird.runtime")
_OWNED = "select users.name, spawners.name from spawners join users on users.id = spawners.user_id where spawners.server_id is not null"


def owned(database: Path, var: Var) -> dict[str, ServerPlace] | None:
    """Return the servers that the hub's database has a record of, by mark; None where it cannot be read."""
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            places = [ServerPlace(var, user, server or "") for user, server in connection.execute(_OWNED)]
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return {}
        _log.error("what runs without a record is not ended: the hub's database cannot be read (%s)", error)
        return None
    return {place.mark: place for place in places}


def end_orphans(host: Host) -> set[str]:
    """End every server of this platform that the hub's database has no record of; returns their marks."""
    records = owned(host.var.database, host.var)
    if records is None:
        return set()
    ended = _kill(mark_of(host.var), set(records)) | remnants.end_groups(host.var, host.bases, records)
    remnants.remove_files(host.var, records)
    if ended:
        _log.warning("servers without a record that were ended: %d", len(ended))
    return ended


def _kill(prefix: str, kept: set[str]) -> set[str]:
    ended = set()
    for process, mark in launch.marked(prefix=f"{prefix}-").items():
        # The hub's own environment may be marked where it was itself started from a server's terminal.
        if mark not in kept and process.pid != os.getpid():
            process.send(signal.SIGKILL)
            ended.add(mark)
    return ended


async def unmount_unused(host: Host) -> None:
    """Unmount the views of users that have no server."""
    records = owned(host.var.database, host.var)
    if records is None or host.keeper is None:
        return
    users = {place.user for place in records.values()}
    try:
        for user in (user for user in await host.keeper.views() if user not in users):
            async with host.lock(user):
                await host.keeper.unmount(user)
    except KeeperError as error:
        _log.warning("views that nobody uses stay mounted: %s", error)
