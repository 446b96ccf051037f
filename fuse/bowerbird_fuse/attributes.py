"""Attributes as the view shows them."""

import os
import stat
from dataclasses import dataclass

from bowerbird_fuse.grant import MADE_SECONDS, Grant
from bowerbird_fuse.layout import Folder, Link, Text
from bowerbird_fuse.view import View

_BLOCK = 512


@dataclass(slots=True)
class Attributes:
    """What stat(2) is to say of one node; for so many `seconds` the kernel may keep its attributes, for `name_seconds` its name."""

    number: int
    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    blocks: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    device: int = 0
    seconds: float = MADE_SECONDS
    name_seconds: float = MADE_SECONDS


def of_made(number: int, made: Folder | Link | Text, view: View) -> Attributes:
    """Return the attributes of what the view itself makes: root's, readable by this identity's group, never writable."""
    match made:
        case Folder():
            mode, size = stat.S_IFDIR | 0o550, 0
        case Link():
            mode, size = stat.S_IFLNK | 0o777, len(made.target)
        case Text():
            mode, size = stat.S_IFREG | 0o444, len(made.content)
    nlink = 2 if isinstance(made, Folder) else 1
    when = int(view.made * 1e9)
    return Attributes(number, mode, nlink, 0, view.gid, size, -(-size // _BLOCK), when, when, when)


def of_stored(number: int, st: os.stat_result, grant: Grant, view: View) -> Attributes:
    """Return the attributes of what lies in a store."""
    mode, uid, gid = grant.shown(st, view.gid)
    times = (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)
    figures = (mode, st.st_nlink, uid, gid, st.st_size, st.st_blocks)
    return Attributes(number, *figures, *times, device=st.st_rdev, seconds=grant.seconds, name_seconds=grant.seconds)
