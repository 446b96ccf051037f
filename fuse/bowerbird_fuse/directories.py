"""The directories behind a view: where they lie, and homes and team spaces made as they must be."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform

from bowerbird_fuse import mount
from bowerbird_fuse.meter import Slot
from bowerbird_fuse.view import View


@dataclass(frozen=True, slots=True)
class Place:
    """A directory, and the slot of one view in its meter where it is a space."""

    path: Path
    slot: Slot | None = None


def places(var: Var, platform: Platform, view: View) -> Mapping[str, Path]:
    """Return where each directory lies that the view shows files of, by key."""
    found = {}
    for release in view.releases:
        if release.readable:
            given = platform.storage.releases.get(f"{release.collection}/{release.name}")
            found[release.key] = Path(given) if given else var.releases / release.collection / release.name
    for space in view.spaces:
        found[space.key] = var.homes / view.user if space.team is None else var.spaces / space.team
    return found


def make_spaces(var: Var, view: View) -> Mapping[str, str]:
    """Make the view's home and team spaces where they are not there yet; return what stands in the way, by key.

    The owner of a directory that has files in it is never changed.
    """
    for parent in (var.homes, var.spaces):
        parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    troubles = {}
    for space in view.spaces:
        try:
            if space.team is None:
                make_space(var.homes / view.user, view.uid, view.gid, 0o700)
            else:
                make_space(var.spaces / space.team, 0, space.gid, 0o2770)
        except OSError as error:
            troubles[space.key] = str(error)
    return troubles


def make_space(path: Path, uid: int, gid: int, mode: int) -> None:
    """Make the directory of a space, of that owner; OSError where something else is in its place."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        st = path.lstat()
        if not stat.S_ISDIR(st.st_mode):
            raise NotADirectoryError(f"{path} is not a directory: move it away") from None
        if (st.st_uid, st.st_gid) == (uid, gid):
            return
        if any(path.iterdir()):
            raise PermissionError(
                f"{path} belongs to {st.st_uid}:{st.st_gid} and not to {uid}:{gid}: give it over, or move it away"
            ) from None
    os.chown(path, uid, gid)
    path.chmod(mode)


def open_directory(path: Path, writable: bool) -> int:
    """Return a descriptor of a directory; one that is only read cannot be written through it, by anybody."""
    return mount.directory(path) if writable else mount.read_only_tree(path)
