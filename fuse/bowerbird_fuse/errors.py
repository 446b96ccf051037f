"""What can go wrong beneath a view, and the errno that says so to the caller.

ViewError
 ├─ NoSuchNode       nothing of that name, or nothing that may be known of
 ├─ StaleNode        the kernel remembers what is there no more; it looks again
 ├─ AccessDenied     the access rule says no, and that there is something may be known
 ├─ ReadOnly         a release, or a space that this identity only reads
 ├─ OutsideSpace     a link or a move from one space into another
 └─ NotSupported     an operation that this file system has not
"""

import errno
from collections.abc import Mapping


class ViewError(Exception):
    """A request that the view refuses."""


class NoSuchNode(ViewError):
    """Nothing of that name, or nothing that this identity may know of."""


class StaleNode(ViewError):
    """What the kernel remembers is there no more."""


class AccessDenied(ViewError):
    """The access rule says no."""


class ReadOnly(ViewError):
    """A release, or a space that this identity only reads."""


class OutsideSpace(ViewError):
    """A link or a move from one space into another."""


class NotSupported(ViewError):
    """An operation that this file system has not."""


ERRNO: Mapping[type[ViewError], int] = {
    NoSuchNode: errno.ENOENT,
    StaleNode: errno.ESTALE,
    AccessDenied: errno.EACCES,
    ReadOnly: errno.EROFS,
    OutsideSpace: errno.EXDEV,
    NotSupported: errno.EOPNOTSUPP,
}
