"""A passthrough file system as one writes it on pyfuse3 and trio without further thought: what our worker is held against.

`python stock_passthrough.py SOURCE MOUNT_POINT` serves until it is unmounted or terminated. Reads alone, with every cache of
the kernel's switched on that pyfuse3 has a switch for.
"""

import os
import sys
from collections.abc import Sequence

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, FUSEError, InodeT, ReaddirToken, RequestContext

_SECONDS = 60.0
_NUMBERS = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_blocks")


class Passthrough(pyfuse3.Operations):
    """The tree below a directory, by path."""

    enable_writeback_cache = False

    def __init__(self, source: str) -> None:
        super().__init__()
        self._paths: dict[int, str] = {pyfuse3.ROOT_INODE: source}

    def _attributes(self, path: str, number: int | None = None) -> EntryAttributes:
        try:
            st = os.lstat(path)
        except OSError as error:
            raise FUSEError(error.errno or 0) from error
        answer = EntryAttributes()
        for name in _NUMBERS:
            setattr(answer, name, getattr(st, name))
        answer.st_ino = InodeT(st.st_ino if number is None else number)
        answer.entry_timeout = answer.attr_timeout = _SECONDS
        return answer

    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        path = os.path.join(self._paths[parent_inode], os.fsdecode(name))
        answer = self._attributes(path)
        self._paths[answer.st_ino] = path
        return answer

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        for number, _ in inode_list:
            self._paths.pop(number, None)

    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return self._attributes(self._paths[inode], inode)

    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=FileHandleT(os.open(self._paths[inode], flags)), keep_cache=True)

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return os.pread(fh, size, off)

    async def release(self, fh: FileHandleT) -> None:
        os.close(fh)

    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        return FileHandleT(inode)

    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        directory = self._paths[fh]
        for index, name in enumerate(sorted(os.listdir(directory))[start_id:], start_id + 1):
            path = os.path.join(directory, name)
            answer = self._attributes(path)
            if not pyfuse3.readdir_reply(token, FileNameT(os.fsencode(name)), answer, index):
                break
            self._paths[answer.st_ino] = path


def main(source: str, mount_point: str) -> None:
    """Serve."""
    pyfuse3.init(Passthrough(source), mount_point, {*pyfuse3.default_options, "allow_other", "fsname=stock"})
    trio.run(pyfuse3.main)
    pyfuse3.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
