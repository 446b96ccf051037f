"""A request that was in work when its worker was killed: done once, whether it had been done before, half done or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bowerbird_fuse.changes import Wanted
from bowerbird_fuse.errors import NoSuchNode, StaleNode

from tests.support.kernel import Kernel
from tests.support.views import HOME_SPACE, view

# The worker is this process, and files belong to it.
SHOWN = view(spaces=(HOME_SPACE,))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    kernel.show(SHOWN)
    (tmp_path / "home/file").write_text("text")
    (tmp_path / "home/dir").mkdir()
    yield kernel
    kernel.close()


def code_of(act: Callable[[], object]) -> int:
    try:
        act()
    except NoSuchNode:
        return errno.ENOENT
    except OSError as error:
        return error.errno or -1
    return 0


Change = Callable[[Kernel], object]
CHANGES: dict[str, Change] = {
    "mkdir": lambda k: k.changes.mkdir(k.find("home"), b"new", 0o755),
    "mknod": lambda k: k.changes.mknod(k.find("home"), b"new", 0o100644, 0),
    "symlink": lambda k: k.changes.symlink(k.find("home"), b"new", b"there"),
    "link": lambda k: k.changes.link(k.find("home/file"), k.find("home"), b"new"),
    "create": lambda k: k.files.create(k.find("home"), b"new", os.O_WRONLY | os.O_EXCL, 0o644),
    "create closed": lambda k: k.files.create(k.find("home"), b"new", os.O_WRONLY | os.O_EXCL, 0o444),
    "unlink": lambda k: k.changes.unlink(k.find("home"), b"file"),
    "rmdir": lambda k: k.changes.rmdir(k.find("home"), b"dir"),
    "rename": lambda k: k.changes.rename((k.find("home"), b"file"), (k.find("home"), b"new"), 0),
    "rename over": lambda k: k.changes.rename((k.find("home"), b"file"), (k.find("home"), b"other"), 0),
    "truncate": lambda k: k.changes.set(k.find("home/file"), Wanted(size=2)),
    "chmod": lambda k: k.changes.set(k.find("home/file"), Wanted(mode=0o600)),
}


def seen(kernel: Kernel) -> list[tuple[str, int, str]]:
    found = sorted((kernel.top / "home").iterdir())
    return [(path.name, path.lstat().st_mode, path.read_text() if path.is_file() else "") for path in found]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_that_was_done_and_not_answered_succeeds_once(kernel: Kernel, change: Change) -> None:
    (kernel.top / "home/other").write_text("other")
    assert code_of(lambda: change(kernel)) == 0
    after = seen(kernel)
    for _ in range(2):
        kernel.kill()
        assert code_of(lambda: change(kernel)) == 0
        assert seen(kernel) == after


@pytest.mark.parametrize("name", CHANGES)
def test_change_that_was_begun_and_not_done_is_done(kernel: Kernel, name: str) -> None:
    (kernel.top / "home/other").write_text("other")
    places = {"rmdir": ("dir",), "rename over": ("file", "other")}.get(name, ("file",))
    kernel.find(f"home/{places[0]}")
    about = [(kernel.top / "home" / place).stat() for place in places]
    kernel.changes.intents.begin(*(figure for st in about for figure in (st.st_dev, st.st_ino)))
    kernel.kill()
    before = seen(kernel)
    assert code_of(lambda: CHANGES[name](kernel)) == 0
    assert seen(kernel) != before


def test_failure_that_was_written_down_is_answered_again(kernel: Kernel) -> None:
    home = kernel.find("home")
    assert code_of(lambda: kernel.changes.mkdir(home, b"dir", 0o755)) == errno.EEXIST
    kernel.changes.intents.end(errno.EEXIST)
    (kernel.top / "home/dir").rmdir()
    kernel.kill()
    assert code_of(lambda: kernel.changes.mkdir(home, b"dir", 0o755)) == errno.EEXIST


def test_what_was_there_before_is_not_taken_for_ones_own(kernel: Kernel) -> None:
    home = kernel.find("home")
    old = 10**9
    os.utime(kernel.top / "home/dir", ns=(old, old))
    kernel.number |= 1 << 63
    assert code_of(lambda: kernel.changes.mkdir(home, b"dir", 0o755)) == errno.EEXIST


def test_another_request_is_no_repetition(kernel: Kernel) -> None:
    home = kernel.find("home")
    kernel.changes.mkdir(home, b"new", 0o755)
    kernel.changes.intents.end()
    kernel.kill()
    kernel.number += 2
    assert code_of(lambda: kernel.changes.mkdir(home, b"new", 0o755)) == errno.EEXIST


def appending(kernel: Kernel) -> int:
    return kernel.files.open(kernel.find("home/file"), os.O_WRONLY | os.O_APPEND).number


@pytest.mark.parametrize("done", [0, 1, 5, 6])
def test_append_is_neither_lost_nor_doubled(kernel: Kernel, done: int) -> None:
    handle = appending(kernel)
    assert kernel.files.write(handle, 0, b"append") == 6
    os.truncate(kernel.top / "home/file", 4 + done)
    for _ in range(2):
        kernel.kill()
        assert kernel.files.write(handle, 0, b"append") == 6
        assert (kernel.top / "home/file").read_text() == "textappend"


def test_append_is_found_behind_what_others_appended_since(kernel: Kernel) -> None:
    handle = appending(kernel)
    kernel.files.write(handle, 0, b"mine")
    with (kernel.top / "home/file").open("ab") as file:
        file.write(b"theirs")
    kernel.kill()
    assert kernel.files.write(handle, 0, b"mine") == 4
    kernel.ask()
    assert kernel.files.write(handle, 0, b"more") == 4
    assert (kernel.top / "home/file").read_text() == "textminetheirsmore"


def test_open_file_without_a_name_goes_on_with_the_next_worker(kernel: Kernel) -> None:
    number = kernel.find("home/file")
    handle = kernel.files.open(number, os.O_RDWR).number
    kernel.ask()
    kernel.changes.unlink(kernel.find("home"), b"file")
    for round in range(2):
        kernel.kill()
        assert kernel.files.attributes(number).nlink == 0
        kernel.ask()
        kernel.files.write(handle, 4 + round, b"!")
        assert kernel.files.read(handle, 0, 100) == b"text" + b"!" * (round + 1)
    kernel.files.handles.drop(handle)
    assert kernel.shelf.names == set()
    with pytest.raises(StaleNode):
        kernel.files.attributes(number)


def test_file_that_was_moved_over_and_one_that_nobody_may_open_go_on(kernel: Kernel) -> None:
    (kernel.top / "home/other").write_text("other")
    home, handle = kernel.find("home"), kernel.files.open(kernel.find("home/file"), os.O_RDONLY).number
    kernel.changes.rename((home, b"other"), (home, b"file"), 0)
    kernel.ask()
    closed, _ = kernel.files.create(home, b"closed", os.O_WRONLY, 0o444)
    kernel.kill()
    assert kernel.shelf.names == {f"o{handle}".encode(), f"o{closed.number}".encode()}
    assert kernel.files.read(handle, 0, 10) == b"text"
    assert kernel.files.write(closed.number, 0, b"written") == 7
    assert kernel.read("home/file") == b"other"


def test_number_of_a_file_without_a_name_is_not_given_to_the_next_file(kernel: Kernel) -> None:
    home, number = kernel.find("home"), kernel.find("home/file")
    kernel.changes.unlink(home, b"file")
    kernel.kill()
    for attempt in range(50):
        (kernel.top / "home/file").write_text("another")
        assert kernel.find("home/file") != number, attempt
        (kernel.top / "home/file").unlink()
