"""What every store promises (stores/base.py).

A store's own test module inherits `ReadableStore`, or `WritableStore` if it can be written.
"""

import os
import stat
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird_fuse.stores.base import Store

Fill = Callable[[dict[str, bytes]], None]


class ReadableStore:
    """Checks on a store that `fill` puts files into, by their paths."""

    @pytest.fixture
    @abstractmethod
    def store(self) -> Store:
        """The store under test, empty."""

    @pytest.fixture
    @abstractmethod
    def fill(self) -> Fill:
        """Put files into it from outside."""

    def test_names_are_sorted_and_have_no_dots(self, store: Store, fill: Fill) -> None:
        fill({"b": b"", "a/x": b"", ".c": b""})
        with store.pin(b"") as top:
            assert top.names() == [b".c", b"a", b"b"]

    def test_file_is_read_from_any_offset(self, store: Store, fill: Fill) -> None:
        fill({"d/f": bytes(range(256))})
        with store.pin(b"d/f") as entry, entry.open(os.O_RDONLY) as file:
            assert file.read(0, 300) == bytes(range(256))
            assert file.read(250, 3) == bytes([250, 251, 252])
            assert file.read(256, 10) == b""

    def test_attributes_tell_files_from_directories(self, store: Store, fill: Fill) -> None:
        fill({"d/f": b"12345"})
        with store.pin(b"d") as directory:
            assert stat.S_ISDIR(directory.stat().st_mode)
            assert directory.look(b"f").st_size == 5
            with directory.child(b"f") as child:
                assert (child.stat().st_dev, child.stat().st_ino) == (directory.look(b"f").st_dev, directory.look(b"f").st_ino)

    @pytest.mark.parametrize("path", [b"none", b"d/none", b"f/below"])
    def test_what_is_not_there_is_not_found(self, store: Store, fill: Fill, path: bytes) -> None:
        fill({"d/x": b"", "f": b""})
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            store.pin(path)

    def test_directory_is_not_opened_as_a_file(self, store: Store, fill: Fill) -> None:
        fill({"d/x": b""})
        with store.pin(b"d") as directory, pytest.raises(OSError, match="only files"):
            directory.open(os.O_RDONLY)


class WritableStore(ReadableStore):
    """Checks on a store that can be written."""

    def test_what_is_written_is_there(self, store: Store) -> None:
        with store.pin(b"") as top, top.create(b"f", os.O_WRONLY | os.O_EXCL, 0o640) as file:
            assert file.write(3, b"abc") == 3
            file.sync(data_only=False)
            file.resize(5)
        with store.pin(b"f") as entry, entry.open(os.O_RDONLY) as file:
            assert file.read(0, 100) == b"\0\0\0ab"
            assert stat.S_IMODE(file.stat().st_mode) == 0o640

    def test_file_that_is_there_is_not_made_exclusively(self, store: Store, fill: Fill) -> None:
        fill({"f": b"old"})
        with store.pin(b"") as top:
            with pytest.raises(FileExistsError):
                top.create(b"f", os.O_WRONLY | os.O_EXCL, 0o600)
            with top.create(b"f", os.O_RDWR, 0o600) as file:
                assert file.read(0, 10) == b"old"

    def test_entry_stays_what_was_pinned(self, store: Store, fill: Fill) -> None:
        fill({"f": b"old", "g": b"new"})
        with store.pin(b"f") as entry, store.pin(b"") as top:
            top.rename(b"g", top, b"f", 0)
            assert entry.stat().st_nlink == 0
            assert top.look(b"f").st_ino != entry.stat().st_ino

    def test_names_come_and_go(self, store: Store, fill: Fill) -> None:
        fill({"f": b"x"})
        with store.pin(b"") as top:
            top.mkdir(b"d", 0o750)
            top.symlink(b"l", b"anything /at all")
            with top.child(b"f") as file, top.child(b"d") as into:
                into.link(b"h", file)
                assert into.look(b"h").st_nlink == 2
                top.rename(b"f", into, b"g", 0)
                assert into.names() == [b"g", b"h"]
                into.unlink(b"g")
                into.unlink(b"h")
            with top.child(b"l") as link:
                assert link.readlink() == b"anything /at all"
            top.rmdir(b"d")
            assert top.names() == [b"l"]

    def test_attributes_are_set_and_kept(self, store: Store, fill: Fill) -> None:
        fill({"f": b"12345"})
        with store.pin(b"f") as entry:
            entry.chmod(0o600)
            entry.truncate(2)
            entry.set_xattr(b"user.a", b"\0\xff")
            entry.utime(5, 7)
            assert entry.xattrs() == [b"user.a"]
            assert entry.xattr(b"user.a") == b"\0\xff"
            entry.remove_xattr(b"user.a")
            assert entry.xattrs() == []
            st = entry.stat()
            assert (stat.S_IMODE(st.st_mode), st.st_size, st.st_atime_ns, st.st_mtime_ns) == (0o600, 2, 5, 7)

    def test_appender_writes_at_the_end_whatever_the_offset(self, store: Store, fill: Fill) -> None:
        fill({"log": b"one"})
        with store.pin(b"log") as entry, entry.open(os.O_WRONLY | os.O_APPEND) as file:
            file.write(0, b" two")
        with store.pin(b"log") as entry, entry.open(os.O_RDONLY) as file:
            assert file.read(0, 100) == b"one two"


def fill_directory(top: Path) -> Fill:
    """Return what puts files into a directory of this machine."""

    def fill(files: dict[str, bytes]) -> None:
        for path, data in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(data)

    return fill
