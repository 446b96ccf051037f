"""The store in a directory: the contract, and that nothing leads out of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.beneath import open_beneath
from bowerbird_fuse import mount
from bowerbird_fuse.stores.base import Store
from bowerbird_fuse.stores.posix import PosixStore

from tests.fuse.store_contract import Fill, ReadableStore, WritableStore, fill_directory


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("secret")
    top = tmp_path / "top"
    top.mkdir()
    return top


class TestPosixStore(WritableStore):
    @pytest.fixture
    def store(self, top: Path) -> Iterator[Store]:
        store = PosixStore(mount.directory(top))
        yield store
        store.close()

    @pytest.fixture
    def fill(self, top: Path) -> Fill:
        return fill_directory(top)

    @pytest.mark.parametrize(
        "path", [b"../outside", b"up/outside", b"d/../../outside", b"/etc/passwd", b"abs", b"d/in", b"proc/self/root/etc"]
    )
    def test_no_path_leads_out_and_no_link_is_followed(self, store: Store, fill: Fill, top: Path, path: bytes) -> None:
        fill({"d/f": b"inside"})
        (top / "up").symlink_to("..")
        (top / "abs").symlink_to("/etc/passwd")
        (top / "d/in").symlink_to("f")
        (top / "proc").symlink_to("/proc")
        with pytest.raises(OSError, match=r"Invalid cross-device link|Too many levels|only files"), store.pin(path) as entry:
            entry.open(os.O_RDONLY)

    def test_pipe_is_not_opened(self, store: Store, top: Path) -> None:
        os.mkfifo(top / "p")
        with store.pin(b"p") as entry, pytest.raises(OSError, match="only files"):
            entry.open(os.O_RDONLY)
        with store.pin(b"") as directory, pytest.raises(OSError):  # noqa: PT011  # ENXIO or EEXIST, as the pipe has a reader or not
            directory.create(b"p", os.O_WRONLY, 0o600)


@pytest.mark.root
class TestReadOnlyTree(ReadableStore):
    """The same directory through a descriptor that cannot be written, even by root."""

    @pytest.fixture
    def store(self, top: Path) -> Iterator[Store]:
        store = PosixStore(mount.read_only_tree(top))
        yield store
        store.close()

    @pytest.fixture
    def fill(self, top: Path) -> Fill:
        return fill_directory(top)

    def test_nothing_is_written_through_it(self, store: Store, fill: Fill, top: Path) -> None:
        fill({"f": b"old"})
        with store.pin(b"") as directory, store.pin(b"f") as entry:
            for act in (
                lambda: entry.open(os.O_RDWR),
                lambda: entry.truncate(0),
                lambda: entry.chmod(0o777),
                lambda: directory.create(b"g", os.O_WRONLY, 0o600),
                lambda: directory.unlink(b"f"),
                lambda: directory.mkdir(b"d", 0o700),
            ):
                with pytest.raises(OSError, match="Read-only"):
                    act()
        assert (top / "f").read_bytes() == b"old"

    def test_it_is_seen_in_no_list_of_mounts(self, store: Store, top: Path) -> None:
        assert mount.mounted(top) == []


def test_path_longer_than_the_kernel_takes_is_gone_along(top: Path) -> None:
    root = mount.directory(top)
    at = os.dup(root)
    names = [b"n" * 250] * 30
    for name in names:
        os.mkdir(name, dir_fd=at)
        following = open_beneath(at, name, os.O_PATH)
        os.close(at)
        at = following
    found = open_beneath(root, b"/".join(names), os.O_PATH)
    assert os.path.sameopenfile(found, at)
    for fd in (root, at, found):
        os.close(fd)
