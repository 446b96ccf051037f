"""pyfuse3's operations: kernel types in, errno out, nothing else.

Every handler stands behind `edge`: an error that is not known costs one request, EIO and a traceback, and never the mount.
No handler waits for anything but the disk, so that each is one step to all others.
"""

# ruff: noqa: D102  # pyfuse3 documents what each handler promises

import errno
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyfuse3
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ModeT,
    ReaddirToken,
    RequestContext,
    SetattrFields,
    StatvfsData,
    XAttrNameT,
)

from bowerbird_fuse import native
from bowerbird_fuse.attributes import Attributes
from bowerbird_fuse.changes import Changes, Wanted
from bowerbird_fuse.errors import ERRNO, ViewError
from bowerbird_fuse.files import DOTS, Files
from bowerbird_fuse.handles import Handle, Handles
from bowerbird_fuse.intents import Intents
from bowerbird_fuse.passthrough import Passthrough
from bowerbird_fuse.tree import Tree

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def edge(
    handler: Callable[Concatenate["ViewOperations", P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["ViewOperations", P], Coroutine[Any, Any, R]]:
    """Wrap a handler: our errors by the table, the system's as they are, all others EIO; the journal before the answer."""

    async def guarded(self: "ViewOperations", /, *arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            answer = await handler(self, *arguments, **keywords)
            self.write_down()
        except FUSEError:
            raise
        except Exception as error:  # the last wall: any bug must cost one request and never the mount
            code = code_of(error, handler.__name__, arguments)
            self.intents.end(code)
            raise FUSEError(code) from error
        return answer

    guarded.__name__, guarded.__doc__ = handler.__name__, handler.__doc__
    return guarded


def code_of(error: Exception, handler: str, arguments: Sequence[object]) -> int:
    """Return the errno of what went wrong in a handler; what we do not know stands in the log."""
    if isinstance(error, ViewError):
        return ERRNO.get(type(error), errno.EIO)
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    log.error("%s failed on %r", handler, arguments, exc_info=error)
    return errno.EIO


class ViewOperations(pyfuse3.Operations):
    """One view as pyfuse3 serves it."""

    supports_dot_lookup = False
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self, tree: Tree, handles: Handles, intents: Intents, passthrough: Passthrough | None = None) -> None:
        super().__init__()
        self.passthrough = passthrough or Passthrough(None, handles)
        self.tree = tree
        self.intents = intents
        self.files = Files(tree, handles, intents)
        self.changes = Changes(tree, self.files, intents)
        self.journal = handles.journal

    def write_down(self) -> None:
        """Put what the next worker must know into the journal, before the kernel knows it."""
        self.journal.flush()
        self.intents.end()
        if self.journal.grown:
            self.journal.write_anew([*self.tree.inodes.lines(), *self.files.handles.lines()])

    # Nodes.

    @edge
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return entry(self.tree.lookup(parent_inode, name))

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        # Nobody waits for an answer, so there is nobody to tell an error to.
        try:
            for number, count in inode_list:
                self.tree.forget(number, count)
            self.write_down()
        except Exception:  # the last wall, as in edge
            log.exception("forget failed")

    @edge
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return entry(self.files.attributes(inode))

    @edge
    async def setattr(
        self, inode: InodeT, attr: EntryAttributes, fields: SetattrFields, fh: FileHandleT | None, ctx: RequestContext
    ) -> EntryAttributes:
        return entry(self.changes.set(inode, wanted(attr, fields), fh))

    @edge
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        return FileNameT(self.files.readlink(inode))

    @edge
    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        # pyfuse3 does not say which node is meant: asked only where the native companion, which does, is missing.
        answer, figures = StatvfsData(), self.files.statvfs(pyfuse3.ROOT_INODE)
        for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax"):
            setattr(answer, name, getattr(figures, name))
        return answer

    @edge
    async def access(self, inode: InodeT, mode: ModeT, ctx: RequestContext) -> bool:
        return True  # default_permissions: the kernel has decided by owner and mode

    # Names.

    @edge
    async def mkdir(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext) -> EntryAttributes:
        return entry(self.changes.mkdir(parent_inode, name, mode & ~ctx.umask))

    @edge
    async def mknod(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext) -> EntryAttributes:
        return entry(self.changes.mknod(parent_inode, name, mode & ~ctx.umask, rdev))

    @edge
    async def symlink(self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return entry(self.changes.symlink(parent_inode, name, target))

    @edge
    async def link(self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return entry(self.changes.link(inode, new_parent_inode, new_name))

    @edge
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        self.changes.unlink(parent_inode, name)

    @edge
    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        self.changes.rmdir(parent_inode, name)

    @edge
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        self.changes.rename((parent_inode_old, name_old), (parent_inode_new, name_new), flags)

    # Files.

    @edge
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        handle = self.files.open(inode, flags)
        if self.passthrough.take(handle):
            native.open_by(native.PASSTHROUGH, handle.backing)
        # An appender's offset is the store's to say, not the page cache's.
        keep = self.files.keeps_pages(handle)
        return FileInfo(fh=FileHandleT(handle.number), keep_cache=keep, direct_io=self._is_direct(handle, flags))

    def _is_direct(self, handle: Handle, flags: int) -> bool:
        # Past the page cache there are no shared mappings: the kernel refuses them with ENODEV.
        return bool(flags & os.O_APPEND) or self.files.is_shared(handle)

    @edge
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        handle, made = self.files.create(parent_inode, name, flags, mode & ~ctx.umask)
        return FileInfo(fh=FileHandleT(handle.number), direct_io=self._is_direct(handle, flags)), entry(made)

    @edge
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return self.files.read(fh, off, size)

    @edge
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        return self.files.write(fh, off, buf, native.write_flags())

    @edge
    async def flush(self, fh: FileHandleT) -> None:
        """Every write was handed to the store as it came."""

    @edge
    async def release(self, fh: FileHandleT) -> None:
        handle = self.files.handles.drop(fh)
        if handle is not None:
            self.passthrough.let_go(handle)

    @edge
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        self.files.sync(fh, datasync)

    # Directories.

    @edge
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        handle = self.files.open_directory(inode)
        if handle.grant is not None and not handle.grant.space:
            native.open_by(native.CACHE_DIR | native.KEEP_CACHE)
        return FileHandleT(handle.number)

    @edge
    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        for name, shown, following in self.files.list(fh, start_id):
            if not pyfuse3.readdir_reply(token, FileNameT(name), entry(shown), following):
                if name not in DOTS:
                    self.tree.inodes.forget(shown.number, 1)
                break

    @edge
    async def releasedir(self, fh: FileHandleT) -> None:
        self.files.handles.drop(fh)

    @edge
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        self.files.sync_directory(fh, datasync)

    # Extended attributes.

    @edge
    async def getxattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> bytes:
        return self.files.xattr(inode, name)

    @edge
    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[XAttrNameT]:
        return [XAttrNameT(name) for name in self.files.xattrs(inode)]

    @edge
    async def setxattr(self, inode: InodeT, name: XAttrNameT, value: bytes, ctx: RequestContext) -> None:
        self.changes.set_xattr(inode, name, value)

    @edge
    async def removexattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> None:
        self.changes.remove_xattr(inode, name)


def entry(shown: Attributes) -> EntryAttributes:
    """Return attributes in pyfuse3's type."""
    answer = EntryAttributes()
    answer.st_ino = InodeT(shown.number)
    answer.st_mode = ModeT(shown.mode)
    answer.st_nlink, answer.st_uid, answer.st_gid, answer.st_rdev = shown.nlink, shown.uid, shown.gid, shown.device
    answer.st_size, answer.st_blocks, answer.st_blksize = shown.size, shown.blocks, 4096
    answer.st_atime_ns, answer.st_mtime_ns, answer.st_ctime_ns = shown.atime_ns, shown.mtime_ns, shown.ctime_ns
    answer.entry_timeout, answer.attr_timeout = shown.name_seconds, shown.seconds
    return answer


def wanted(attr: EntryAttributes, fields: SetattrFields) -> Wanted:
    """Return what a setattr asks for."""
    return Wanted(
        mode=attr.st_mode if fields.update_mode else None,
        uid=attr.st_uid if fields.update_uid else None,
        gid=attr.st_gid if fields.update_gid else None,
        size=attr.st_size if fields.update_size else None,
        atime_ns=attr.st_atime_ns if fields.update_atime else None,
        mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
    )
