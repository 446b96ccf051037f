"""The trash of a space: what is deleted lies for a while in `.trash/TIME_USER/` under its old path, to be moved back.

It is a folder like others: it can be listed, copied and moved from, and what is deleted there is gone. It takes only room that
nobody needs. What programs delete in the course of their work does not go there: see `Trash.worth`.
"""

import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from bowerbird_fuse.charge import ENTRY_BYTES, TRASH, size_of
from bowerbird_fuse.stores.birth import born
from bowerbird_fuse.stores.posix import PosixEntry
from bowerbird_fuse.stores.space import SpaceEntry, SpaceStore

log = logging.getLogger(__name__)
# What lived for a shorter time was somebody's temporary file.
LIVED_SECONDS = 10.0
# What is deleted in one go lies in one folder: until so long nothing is deleted, and for so long at most.
_GO_SECONDS, _LONGEST_GO_SECONDS = 60.0, 3600.0
_TEMPORARY_ENDS = (b".lock", b".tmp", b".swp", b".swx", b".part", b"-journal", b"-wal", b"-shm", b"~")
_TEMPORARY_BEGINNINGS = (b".~", b"~", b"tmp_", b".nfs")
# What is made again from elsewhere, and so much of it that nothing else would find room.
_MADE_AGAIN = frozenset({b"__pycache__", b"site-packages", b"node_modules", b".cache", b".ipynb_checkpoints"})
# Programs that keep their own history replace files of it with each step.
_OWN_HISTORY = frozenset({b".git", b".hg", b".svn"})
_TIME = "%Y-%m-%d_%H-%M-%SZ"
_NOREPLACE = 1
_MOST_DOUBLES = 1000
_LONGEST_NAME = 255


class Trash:
    """The trash of one space, as one view uses it; one that is not `on` takes nothing, and still makes room."""

    def __init__(self, store: SpaceStore, user: str, *, on: bool, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.user = user
        self.on = on
        self.clock = clock
        self._folder = b""
        self._began = self._last = -_LONGEST_GO_SECONDS
        # How far it was emptied when room was last made: to list a large folder for each file that is written would take for ever.
        self._emptying: Iterator[None] | None = None

    # Into it.

    def keep_deleted(self, parent: SpaceEntry, name: bytes, st: os.stat_result) -> bool:
        """Move what is being deleted into the trash; tell whether it went there."""
        return self._keep(parent, name, st, lambda into, free: parent.rename(name, into, free, _NOREPLACE))

    def keep_replaced(self, parent: SpaceEntry, name: bytes, st: os.stat_result) -> bool:
        """Give what is about to be replaced a second name in the trash; tell whether it has one."""
        if not _OWN_HISTORY.isdisjoint(parent.path.split(b"/")):
            return False

        def link(into: SpaceEntry, free: bytes) -> None:
            with parent.child(name) as replaced:
                PosixEntry.link(into, free, replaced)
            self.store.room.meter.add(ENTRY_BYTES, trash=ENTRY_BYTES + size_of(st))

        return self._keep(parent, name, st, link)

    def _keep(self, parent: SpaceEntry, name: bytes, st: os.stat_result, put: Callable[[SpaceEntry, bytes], None]) -> bool:
        if not self.on or parent.in_trash or not self.worth(parent, name, st):
            return False
        try:
            with self._folder_for(parent.path) as into:
                _put(into, name, put)
        except OSError as error:
            # To refuse would be worse: a full disk could never be emptied.
            log.warning("%r is gone for good, the trash could not take it: %s", parent.below(name), error)
            return False
        return True

    def worth(self, parent: SpaceEntry, name: bytes, st: os.stat_result) -> bool:
        """Tell whether somebody could want it back: a file with content, or a link, that was not made and deleted in passing."""
        if not (stat.S_ISLNK(st.st_mode) or (stat.S_ISREG(st.st_mode) and st.st_size)):
            return False
        if name.endswith(_TEMPORARY_ENDS) or name.startswith(_TEMPORARY_BEGINNINGS):
            return False
        if not _MADE_AGAIN.isdisjoint(parent.path.split(b"/")):
            return False
        return self.clock() - born(parent.fd, name, st) >= LIVED_SECONDS

    def _folder_for(self, directory: bytes) -> SpaceEntry:
        now = self.clock()
        if not now - self._last < _GO_SECONDS or now - self._began > _LONGEST_GO_SECONDS:
            self._began = now
            self._folder = f"{datetime.fromtimestamp(now, UTC):{_TIME}}_{self.user}".encode()
        self._last = now
        path = b"/".join(filter(None, (TRASH, self._folder, directory)))
        try:
            return self.store.pin(path)
        except FileNotFoundError:
            self._make(directory)
            return self.store.pin(path)

    def _make(self, directory: bytes) -> None:
        """Make a folder of the trash like that directory, open to whom the directories on the way to it are open."""
        with self.store.pin(b"") as top:
            mode = stat.S_IMODE(top.stat().st_mode) & 0o770
            _mkdir(top, TRASH, mode)
        at, original = TRASH, b""
        for part in (self._folder, *filter(None, directory.split(b"/"))):
            if at != TRASH:
                original = original + b"/" + part if original else part
                with self.store.pin(original) as like:
                    mode = stat.S_IMODE(like.stat().st_mode) & 0o777 | 0o700
            with self.store.pin(at) as above:
                _mkdir(above, part, mode)
            at += b"/" + part

    # Out of it.

    def make_room(self, enough: Callable[[], bool]) -> None:
        """Delete what lies there, the oldest first, until there is enough room or nothing left."""
        # What was deleted since the last listing is found by the next one.
        if self._emptying is None or not self._go_on(self._emptying, enough):
            self._emptying = self._empty_all()
            self._go_on(self._emptying, enough)

    def _go_on(self, emptying: Iterator[None], enough: Callable[[], bool]) -> bool:
        """Empty it further; tell whether there is enough room."""
        return any(enough() for _ in emptying)

    def _empty_all(self) -> Iterator[None]:
        for folder in self._folders():
            yield from self._empty(TRASH + b"/" + folder)

    def expire(self, seconds: float) -> None:
        """Delete what lies there for longer."""
        for folder in self._folders():
            if self.clock() - self._since(folder) > seconds:
                for _ in self._empty(TRASH + b"/" + folder):
                    pass

    def _folders(self) -> list[bytes]:
        try:
            with self.store.pin(TRASH) as trash:
                return trash.names()
        except OSError:
            return []

    def _since(self, folder: bytes) -> float:
        try:
            return datetime.strptime(os.fsdecode(folder)[:20], _TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            with self.store.pin(TRASH) as trash:
                return trash.look(folder).st_ctime

    def _empty(self, top: bytes) -> Iterator[None]:
        """Delete what lies at that path, one name a step, and hold nothing open between two. No link is followed."""
        # Where we are, from the top down, with the names that are left in each.
        way = [(top, self._enter(top))]
        try:
            while way:
                path, names = way[-1]
                if (name := next(names, None)) is not None:
                    below = path + b"/" + name
                    way.append((below, self._enter(below)))
                else:
                    way.pop()
                    self._remove(path)
                    yield
        except OSError as error:
            log.info("%r stays in the trash: %s", top, error)

    def _enter(self, path: bytes) -> Iterator[bytes]:
        """Return the names in a directory; none where something else lies there."""
        try:
            with self.store.pin(path) as entry:
                return iter(entry.names() if stat.S_ISDIR(entry.stat().st_mode) else ())
        except FileNotFoundError:
            return iter(())

    def _remove(self, path: bytes) -> None:
        """Delete a file or an empty directory, if it is still there; what somebody reads would give no room before it is closed."""
        folder, _, name = path.rpartition(b"/")
        with suppress(FileNotFoundError), self.store.pin(folder) as above:
            st = above.look(name)
            if not stat.S_ISDIR(st.st_mode):
                if not self.store.is_open(st.st_ino):
                    above.unlink(name)
                return
            try:
                above.rmdir(name)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise


def _put(into: SpaceEntry, name: bytes, put: Callable[[SpaceEntry, bytes], None]) -> None:
    """Put it under its name or, where that is taken, under one with a number."""
    for number in range(_MOST_DOUBLES):
        end = f".~{number}~".encode() if number else b""
        try:
            return put(into, name[: _LONGEST_NAME - len(end)] + end)
        except FileExistsError:
            continue
    raise OSError(errno.EEXIST, "too many of that name lie there")


def _mkdir(above: SpaceEntry, name: bytes, mode: int) -> None:
    # Charged without asking: who empties a full space must not be refused for want of room.
    try:
        PosixEntry.mkdir(above, name, mode)
    except FileExistsError:
        return
    above.room.meter.add(ENTRY_BYTES, trash=ENTRY_BYTES if above.in_trash else 0)
