"""A kernel that asks a tree by paths, without a mount, also the workers that follow one another."""

import os
from pathlib import Path

from bowerbird_fuse import mount, wire
from bowerbird_fuse.changes import Changes
from bowerbird_fuse.files import Files
from bowerbird_fuse.handles import Handles, close
from bowerbird_fuse.inodes import ROOT, Inodes
from bowerbird_fuse.intents import Intents
from bowerbird_fuse.journal import Journal
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.restore import restore
from bowerbird_fuse.shelf import Shelf
from bowerbird_fuse.stores.posix import PosixStore
from bowerbird_fuse.tree import Outdated, Tree
from bowerbird_fuse.view import View

AGAIN = 1 << 63


class Kernel:
    """Asks a tree as the kernel would, by paths."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.now = 0.0
        self.remains = Remains.make("test")
        self.journal = Journal(self.remains.journal)
        self.shelf = Shelf(self.remains.front, self.remains.back)
        self.stores: dict[str, PosixStore] = {}
        # Of the request in work.
        self.number = 2
        self.begin()

    def begin(self) -> None:
        """Begin with an empty memory, as a worker does."""
        self.tree = Tree(Inodes(self.journal), lambda: self.now)
        intents = Intents(self.remains.intents, lambda: self.number)
        self.files = Files(self.tree, Handles(self.journal, self.shelf), intents)
        self.changes = Changes(self.tree, self.files, intents)

    def kill(self) -> None:
        """End the worker without a word and begin with the next one, which takes over; the same request is asked again."""
        shown = self.tree.view
        self.journal.flush()
        self.let_go()
        self.begin()
        restore(self.tree.inodes, self.files.handles, [str(self.top)])
        self.show(shown)
        self.number |= AGAIN

    def ask(self) -> None:
        """Begin another request."""
        self.number = (self.number & ~AGAIN) + 2

    def show(self, shown: View) -> Outdated:
        for key in shown.writable:
            if key not in self.stores:
                path = self.top / key
                path.mkdir(parents=True, exist_ok=True)
                self.stores[key] = PosixStore(mount.directory(path))
        outdated = self.tree.show(shown, {key: self.stores[key] for key in shown.writable})
        self.files.handles.close_revoked()
        return outdated

    def find(self, path: str) -> int:
        number = ROOT
        for name in filter(None, path.split("/")):
            number = self.tree.lookup(number, name.encode()).number
        return number

    def names(self, path: str) -> list[str]:
        handle = self.files.open_directory(self.find(path))
        found = [name.decode() for name, _, _ in self.files.list(handle.number, 0)]
        self.files.handles.drop(handle.number)
        return found[2:]

    def read(self, path: str) -> bytes:
        handle = self.files.open(self.find(path), os.O_RDONLY)
        data = self.files.read(handle.number, 0, 1000)
        self.files.handles.drop(handle.number)
        return data

    def let_go(self) -> None:
        """Close what is open, as a process does that ends."""
        for handle in self.files.handles:
            close(handle)
        self.tree.recent.clear()

    def close(self) -> None:
        self.let_go()
        for store in self.stores.values():
            store.close()
        self.shelf.close()
        wire.close_all([self.remains.journal, self.remains.intents])
