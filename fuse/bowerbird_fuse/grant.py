"""A grant: the right to one store's files that a worker holds now, and how its files are shown."""

import os
import stat
from dataclasses import dataclass

from bowerbird_fuse.errors import ReadOnly, StaleNode
from bowerbird_fuse.stores.base import Store
from bowerbird_fuse.view import ReleaseShown, View, ended

# How long the kernel may keep what it saw, in seconds. A release does not change, and a lost one is taken out of the
# kernel's caches by name; a space is written through other views and natively, so nothing of it is kept.
RELEASE_SECONDS = 60.0
MADE_SECONDS = 1.0
SPACE_SECONDS = 0.0
# One view alone writes a home, and its kernel knows of all that is done there: what is done beside it is seen so much later
# by who has the file open, or stands in the directory. Each path is looked up anew all the same.
HOME_MOMENT_NS = 1_000_000

# Below it two calls to the keeper cost more than is saved where the kernel reads a file by itself.
DIRECT_BYTES = 1 << 20

# The permissions to write, which are not shown where nothing may be written.
WRITE_BITS = 0o222


@dataclass(slots=True)
class Grant:
    """The right to one store; `space` tells a space from a release, `shared` a team's space from a home.

    Of a `direct` one the kernel may read files by itself.
    """

    key: str
    store: Store
    writable: bool
    space: bool
    shared: bool
    gid: int
    until: float | None
    write_until: float | None = None
    direct: bool = False
    revoked: bool = False
    release: ReleaseShown | None = None

    @property
    def seconds(self) -> float:
        """How long the kernel may keep names and attributes."""
        return SPACE_SECONDS if self.space else RELEASE_SECONDS

    @property
    def moment_ns(self) -> int:
        """How long beyond that the kernel may keep attributes."""
        return HOME_MOMENT_NS if self.space and not self.shared else 0

    @property
    def large(self) -> int:
        """From which size on the companion opens no file: there the kernel is to read it, or a team to be told that it is open."""
        if self.shared:
            return 0
        return DIRECT_BYTES if self.direct else 1 << 63

    def check(self, now: float) -> None:
        """Raise StaleNode when the right has ended: the kernel looks again, and finds what there is by now."""
        if self.revoked or ended(self.until, now):
            raise StaleNode(f"{self.key} is not shown any more")

    def check_write(self, now: float) -> None:
        """Raise ReadOnly where nothing may be written."""
        self.check(now)
        if not self.writable or ended(self.write_until, now):
            raise ReadOnly(f"{self.key} is read only")

    def mode(self, mode: int) -> int:
        """Return the mode that a new file of that mode gets: in a team's space, who may read it may write it as well."""
        readers = mode & 0o040
        return mode | readers >> 1 if self.shared and mode & 0o200 else mode

    def shown(self, st: os.stat_result, view_gid: int) -> tuple[int, int, int]:
        """Return (mode, uid, gid) as the view shows them, for the kernel's own check of permissions."""
        if self.space:
            # The team's group is shown as the identity's own: who joined a team while a server of theirs runs is not in the
            # team's group there, and the view is this identity's alone.
            gid = view_gid if self.shared and st.st_gid == self.gid else st.st_gid
            return (st.st_mode if self.writable else st.st_mode & ~WRITE_BITS), st.st_uid, gid
        if stat.S_ISLNK(st.st_mode):
            return st.st_mode, 0, view_gid
        executable = 0o110 if st.st_mode & 0o111 else 0
        bits = 0o550 if stat.S_ISDIR(st.st_mode) else 0o440 | executable
        return stat.S_IFMT(st.st_mode) | bits, 0, view_gid


def grants_of(view: View, stores: dict[str, Store]) -> dict[str, Grant]:
    """Return the grant of each store that the view shows."""
    grants = {
        release.key: Grant(
            release.key,
            stores[release.key],
            False,
            False,
            False,
            view.gid,
            release.until,
            direct=release.key in view.direct,
            release=release,
        )
        for release in view.releases
        if release.readable and release.key in stores
    }
    return grants | {
        space.key: Grant(
            space.key, stores[space.key], space.writable, True, space.team is not None, space.gid, space.until, space.write_until
        )
        for space in view.spaces
        if space.key in stores
    }
