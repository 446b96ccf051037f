"""The tree of a view: from the kernel's numbers to what lies there, through the grants that hold now."""

import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bowerbird_fuse import attributes
from bowerbird_fuse.attributes import Attributes
from bowerbird_fuse.errors import AccessDenied, NoSuchNode, StaleNode
from bowerbird_fuse.grant import MADE_SECONDS, Grant, grants_of
from bowerbird_fuse.inodes import ROOT, Inodes, Key, Node, Place
from bowerbird_fuse.layout import OTHER_README, README, Folder, Link, Made, Mounted, Text, layout
from bowerbird_fuse.recent import Recent
from bowerbird_fuse.stores.base import Entry, File, Store
from bowerbird_fuse.strayed import Strayed
from bowerbird_fuse.view import HOME, View

log = logging.getLogger(__name__)
# Deeper than any path; only what was moved to and fro behind our back could seem to be its own parent.
_DEEPEST = 1 << 20
_MOST_FOOTHOLDS = 256
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Generated:
    """A node that the view itself makes."""

    node: Node
    made: Folder | Link | Text


@dataclass(frozen=True, slots=True)
class Stored:
    """A node that lies in a store, at `path` below its root; `readme` stands beside the data, at the root alone."""

    node: Node
    grant: Grant
    path: bytes
    readme: Text | None = None


Located = Generated | Stored


@dataclass(frozen=True, slots=True)
class Outdated:
    """What the kernel must not keep any more: the names (parent, name), and attributes and pages of the inodes."""

    names: tuple[Place, ...] = ()
    inodes: tuple[int, ...] = ()


class Tree:
    """All nodes of one view. It never waits: each answer is that of the moment."""

    def __init__(self, inodes: Inodes, clock: Callable[[], float] = time.time) -> None:
        self.inodes = inodes
        self.clock = clock
        self.view = View("", 0, 0, "")
        self.recent = Recent(inodes.released)
        # None while there is no kernel to tell.
        self.strayed: Strayed | None = None
        # Whether a node is a directory that is open here, and was removed: asked where it is not found any more.
        self.is_removed: Callable[[int], bool] = lambda _: False
        self._top = Folder({})
        self._grants: dict[str, Grant] = {}
        # What the view makes at each of its nodes; true for one layout.
        self._made: dict[int, Made | None] = {}
        self._refused: set[str] = set()
        # Directories of releases, which nobody moves: held from the first lookup in them on.
        self._footholds: dict[int, tuple[Entry, Stored]] = {}
        # Directories of spaces that the companion answers for at the moment.
        self._stands: dict[int, Entry] = {}

    def show(self, view: View, stores: Mapping[str, Store]) -> Outdated:
        """Show that view from now on; `stores` are those of its keys that are there. Return what the kernel must forget."""
        before = {node.id: self._made_at(node) for node in self.inodes.made()}
        self.view = view
        self.recent.clear()
        self._top = layout(view, stores)
        self._made.clear()
        self._refused.clear()
        self.inodes.released.leave_all()
        for number in list(self._footholds):
            self._footholds.pop(number)[0].close()
        for number in list(self._stands):
            self._stands.pop(number).close()
        changed = self._grant(grants_of(view, dict(stores)))
        return self._outdated(before, changed)

    def _grant(self, grants: dict[str, Grant]) -> frozenset[str]:
        """Hold those grants; return the keys of what was lost, or is another store or written by other rules now."""
        changed = set()
        for key, old in self._grants.items():
            new = grants.get(key)
            if new is None or new.store is not old.store:
                old.revoked = True
                changed.add(key)
                continue
            if new.writable != old.writable:
                changed.add(key)
            old.writable, old.until, old.write_until = new.writable, new.until, new.write_until
            old.direct, old.release = new.direct, new.release
            grants[key] = old
        self._grants = grants
        return frozenset(changed)

    def _outdated(self, before: Mapping[int, Made | None], changed: frozenset[str]) -> Outdated:
        tops, inodes = [], []
        for node in self.inodes.made():
            old, new = before.get(node.id), self._made_at(node)
            if old == new and not (isinstance(old, Mounted) and old.key in changed):
                continue
            inodes.append(node.id)
            if not (isinstance(old, Folder) and isinstance(new, Folder)):
                tops.append(node)
        below = self.inodes.below(top.id for top in tops)
        gone = [node for node in (*tops, *below) if node.id != ROOT]
        return Outdated(tuple(node.place for node in gone), tuple({*inodes, *(node.id for node in gone)}))

    # From numbers to what lies there.

    def locate(self, number: int) -> Located:
        """Return where that node lies, if it may be seen now; StaleNode otherwise."""
        node = self.inodes[number]
        return self._at(node, node.place)

    def _at(self, node: Node, place: Place) -> Located:
        names: list[bytes] = []
        at = node
        parent, name = place
        while at.key is not None:
            names.append(name)
            if len(names) > _DEEPEST:
                raise StaleNode(f"node {node.id} lies nowhere")
            at = self.inodes[parent]
            parent, name = at.place
        made = self._made_at(at)
        if made is None:
            raise StaleNode(f"node {node.id} is not shown any more")
        if not isinstance(made, Mounted):
            if names:
                raise StaleNode(f"node {node.id} is not shown any more")
            return Generated(node, made)
        grant = self._grants[made.key]
        grant.check(self.clock())
        return Stored(node, grant, b"/".join(reversed(names)), None if names else made.readme)

    def _made_at(self, node: Node) -> Made | None:
        if node.id not in self._made:
            self._made[node.id] = self._look_up_made(node)
        return self._made[node.id]

    def _look_up_made(self, node: Node) -> Made | None:
        path: list[bytes] = []
        while node.id != ROOT:
            path.append(node.name)
            node = self.inodes[node.parent]
        at: Made = self._top
        for name in reversed(path):
            below = at.children.get(name) if isinstance(at, Folder) else None
            if below is None and isinstance(at, Mounted) and name in (README, OTHER_README):
                below = at.readme
            if below is None:
                return None
            at = below
        return at

    @contextmanager
    def pinned(self, number: int) -> Iterator[tuple[Entry, Stored]]:
        """Hold what lies in a store under that number, as `pin` does."""
        entry, stored = self.pin(number)
        with entry:
            yield entry, stored

    def pin(self, number: int) -> tuple[Entry, Stored]:
        """Hold what lies in a store under that number, for the caller to close; StaleNode where it is not, NoSuchNode once removed."""
        found = self.locate(number)
        if not isinstance(found, Stored):
            raise AccessDenied("the view itself makes this")
        return self._pin(found)

    def _pin(self, stored: Stored) -> tuple[Entry, Stored]:
        entry = self.recent.again(stored.node.id, stored.grant.store, stored.path) or _pin(stored)
        if entry is not None:
            return entry, stored
        for alias in tuple(stored.node.aliases or ()):
            try:
                other = self._at(stored.node, alias)
            except StaleNode:
                continue
            if isinstance(other, Stored) and (entry := _pin(other)) is not None:
                return entry, other
        if self.is_removed(stored.node.id):
            raise NoSuchNode("the directory was removed")
        raise StaleNode(f"node {stored.node.id} is not where it was")

    def foothold(self, number: int) -> tuple[Entry, Stored] | None:
        """Return a directory of a release that is held, if it may be seen now; None where it is not held."""
        held = self._footholds.get(number)
        if held is None or held[1].node is not self.inodes[number]:
            return None
        held[1].grant.check(self.clock())
        return held

    def _hold(self, entry: Entry, stored: Stored) -> None:
        number, released = stored.node.id, self.inodes.released
        if number in self._footholds or len(self._footholds) >= _MOST_FOOTHOLDS:
            left = number if number in self._footholds else next(iter(self._footholds))
            released.leave(left)
            self._footholds.pop(left)[0].close()
        self._footholds[number] = entry, stored
        # Where a clock says when the right ends, it is asked each time.
        if stored.grant.until is None:
            released.stand(number, entry.descriptor, stored.grant, self.view.gid)

    def stand(self, number: int) -> bool:
        """Hold a directory, so that the companion answers for what lies there; tell whether it does."""
        held = self.foothold(number)
        if held is None:
            entry, stored = self.pin(number)
            if not stat.S_ISDIR(entry.stat().st_mode):
                entry.close()
                return False
            if stored.grant.space:
                return self._stand_in_space(entry, stored)
            self._hold(entry, stored)
            held = entry, stored
        return held[1].grant.until is None

    def _stand_in_space(self, entry: Entry, stored: Stored) -> bool:
        """Let the companion answer for a directory of a space for a moment; `entry` is held for it, or closed."""
        number = stored.node.id
        if stored.grant.until is not None:
            entry.close()
            return False
        if number in self._stands or len(self._stands) >= _MOST_FOOTHOLDS:
            self._leave(number if number in self._stands else next(iter(self._stands)))
        self._stands[number] = entry
        self.inodes.released.stand(number, entry.descriptor, stored.grant, self.view.gid)
        return True

    def _leave(self, number: int) -> None:
        self.inodes.released.leave(number)
        self._stands.pop(number).close()

    def open_released(self, number: int, flags: int) -> tuple[File, Grant] | None:
        """Open a file of a release by the directory that it was looked up in; None where only the long way tells."""
        node = self.inodes[number]
        held = None if node.key is None else self.foothold(node.parent)
        if held is None:
            return None
        try:
            file = held[0].open_child(node.name, flags)
        except OSError:
            return None
        if key_of(file.stat()) != node.key:
            file.close()
            return None
        return file, held[1].grant

    @contextmanager
    def any_store(self) -> Iterator[Entry]:
        """Hold the top of the home, or of another store where there is no home; NoSuchNode where there is none at all."""
        grant = self._grants.get(HOME) or next(iter(self._grants.values()), None)
        if grant is None:
            raise NoSuchNode("the view has no store")
        with grant.store.pin(b"") as entry:
            yield entry

    # What the kernel asks about nodes.

    def forget(self, number: int, count: int) -> None:
        """Take back so many lookups; with the last the node is known no more."""
        self.inodes.forget(number, count)
        if number not in self.inodes:
            self.recent.drop(number)
            if number in self._stands:
                self._leave(number)

    def lookup(self, parent: int, name: bytes) -> Attributes:
        """Return what has that name, as one lookup more; NoSuchNode, or AccessDenied in a closed folder."""
        held = self.foothold(parent)
        if held is not None:
            return self.child(*held, name)
        above = self.locate(parent)
        if isinstance(above, Generated):
            return self._child_of_made(above, name)
        entry, stored = self._pin(above)
        if not stored.grant.space:
            self._hold(entry, stored)
            return self.child(entry, stored, name)
        try:
            return self._look_up(entry, stored, name)
        finally:
            self._stand_in_space(entry, stored)

    def _look_up(self, entry: Entry, parent: Stored, name: bytes) -> Attributes:
        """Return what has that name in a space, and hold it for what the kernel asks next."""
        if self.strayed is not None:
            self.strayed.settle()
            self.inodes.released.settle(False)
        try:
            found = entry.child(name)
        except FileNotFoundError as error:
            raise NoSuchNode(f"no {name!r} there") from error
        st = found.stat()
        left = self._left(parent.node.id, name, st)
        node = self.inodes.seen(parent.node.id, name, key_of(st))
        if left is not None and self.strayed is not None:
            self.inodes.released.settle(not self.strayed.tell(left))
        self.recent.expire()
        self.recent.hold(node.id, found)
        return attributes.of_stored(node.id, st, parent.grant, self.view)

    def _left(self, parent: int, name: bytes, st: os.stat_result) -> Place | None:
        """Return where the kernel knows a directory that was found below another one."""
        node = self.inodes.known(parent, name, key_of(st)) if stat.S_ISDIR(st.st_mode) else None
        return None if node is None or node.parent == parent else node.place

    def child(self, entry: Entry, parent: Stored, name: bytes, count: int = 1) -> Attributes:
        """Return what has that name in a pinned directory, as `count` lookups more."""
        try:
            st = entry.look(name)
        except FileNotFoundError as error:
            if parent.readme is None or name != readme_name(entry):
                raise NoSuchNode(f"no {name!r} there") from error
            node = self.inodes.seen(parent.node.id, name, None, count)
            return attributes.of_made(node.id, parent.readme, self.view)
        node = self.inodes.seen(parent.node.id, name, (st.st_dev, st.st_ino), count)
        return attributes.of_stored(node.id, st, parent.grant, self.view)

    def _child_of_made(self, above: Generated, name: bytes) -> Attributes:
        if not isinstance(above.made, Folder):
            raise NoSuchNode("no directory")
        child = above.made.children.get(name)
        if child is None:
            raise self._closed(above.node) if above.made.closed else NoSuchNode(f"no {name!r} there")
        return self.made_attributes(self.inodes.seen(above.node.id, name, None).id)

    def _closed(self, node: Node) -> AccessDenied:
        """Return the refusal of what lies in an announced release; of each release one is logged until the view changes."""
        release, collection = node.name.decode(), self.inodes[node.parent].name.decode()
        sentence = f"/data/releases/{collection}/{release} is announced to {self.view.user}, and not open to them"
        if sentence not in self._refused:
            self._refused.add(sentence)
            log.info("%s; `bowerbird explain %s read release:%s/%s` says why", sentence, self.view.user, collection, release)
        return AccessDenied(sentence)

    def made_attributes(self, number: int) -> Attributes:
        """Return the attributes of what the view makes, or of the top of a store."""
        found = self.locate(number)
        if isinstance(found, Generated):
            return attributes.of_made(number, found.made, self.view)
        with self.pinned(number) as (entry, stored):
            shown = attributes.of_stored(number, entry.stat(), stored.grant, self.view)
            # Kept for a moment only, so that the way into a store that was lost ends there whatever else is kept.
            shown.seconds = min(shown.seconds, MADE_SECONDS)
            # It is the view that gives it its name, whatever becomes of what lies there.
            shown.name_seconds = MADE_SECONDS
            return shown

    def names(self, number: int, entry: Entry | None) -> list[bytes]:
        """Return the names in a directory, which is pinned where it lies in a store, sorted; with the README of a release."""
        found = self.locate(number)
        if entry is None or isinstance(found, Generated):
            return sorted(found.made.children) if isinstance(found, Generated) and isinstance(found.made, Folder) else []
        names = entry.names()
        return sorted({*names, readme_name(entry)}) if found.readme else names


def _pin(stored: Stored) -> Entry | None:
    """Pin what lies there if it is the node that is meant."""
    try:
        entry = stored.grant.store.pin(stored.path)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    if stored.path and key_of(entry.stat()) != stored.node.key:
        entry.close()
        return None
    return entry


def key_of(st: os.stat_result) -> Key:
    """Return what tells one file from another in a store."""
    return st.st_dev, st.st_ino


def readme_name(entry: Entry) -> bytes:
    """Return the name of the generated README in a release: another one where the data has a README."""
    try:
        entry.look(README)
    except FileNotFoundError:
        return README
    return OTHER_README
