"""Taking over what an earlier worker of the same mount left."""

from collections.abc import Collection

from bowerbird_fuse.handles import Handles
from bowerbird_fuse.inodes import Inodes
from bowerbird_fuse.journal import Mark


def restore(inodes: Inodes, handles: Handles, roots: Collection[str]) -> None:
    """Know the nodes and handles that stand in the journal, and the files beneath these directories that lie on the shelf."""
    for mark, *values in handles.journal.resume():
        match mark:
            case Mark.NODE:
                inodes.restore(*values)
            case Mark.FORGET:
                inodes.forget_inherited(*values)
            case Mark.GONE:
                inodes.unkeyed(*values)
            case Mark.OPEN:
                handles.restore(*values)
            case Mark.CLOSE:
                handles.drop_inherited(*values)
    handles.inherit_kept(roots)
