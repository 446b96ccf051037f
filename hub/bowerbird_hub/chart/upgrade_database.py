"""Before an upgrade: a copy of the hub's database, then its tables as the new hub wants them."""

import argparse
import logging
import os
import sys
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.identity.database import WrongAddress, file_address, given_address
from bowerbird_hub.state.sqlite_copies import copy_database
from jupyterhub import dbutil

_log = logging.getLogger("bowerbird.upgrade")


def back_up(var: Var, revision: int, kept: int) -> Path | None:
    """Copy the database beside itself, under the number of the revision that replaces it, and keep that many copies; None where none is."""
    if not kept or not var.database.exists():
        return None
    place = var.hub / "backups"
    place.mkdir(mode=0o700, exist_ok=True)
    copy, part = place / f"hub-before-{revision:06}.sqlite", place / "part"
    part.unlink(missing_ok=True)
    copy_database(var.database, part)
    part.replace(copy)
    for old in sorted(place.glob("hub-before-*.sqlite"))[:-kept]:
        old.unlink()
    return copy


def upgrade(var: Var, url: str | None) -> None:
    """Bring the tables up to date; nothing where there is no database yet."""
    if url is None and not var.database.exists():
        return
    dbutil.upgrade_if_needed(url or file_address(var), backup=False, log=_log)


def main() -> None:
    """Copy and upgrade; the address of another database comes in the environment, for a password may be in it."""
    parser = argparse.ArgumentParser(description="Copy the hub's database, and upgrade its tables.")
    parser.add_argument("--directory", type=Path, required=True, help="the hub's directory")
    parser.add_argument("--backups", type=int, required=True, help="how many copies are kept")
    parser.add_argument("--revision", type=int, required=True, help="the number of the revision that is installed")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    var = Var(arguments.directory)
    try:
        url = given_address(os.environ)
    except WrongAddress as error:
        sys.exit(f"the database is not upgraded: {error}")
    if url is None:
        copy = back_up(var, arguments.revision, arguments.backups)
        _log.info("%s", f"the database is copied to {copy}" if copy else "no copy of the database is made")
    else:
        _log.info("the database is not ours, so no copy is made of it")
    upgrade(var, url)


if __name__ == "__main__":
    main()
