"""The tree of a view over real directories, without a mount: places, grants, what is forgotten and what ends."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_fuse.changes import Wanted
from bowerbird_fuse.errors import AccessDenied, NoSuchNode, OutsideSpace, ReadOnly, StaleNode, ViewError
from bowerbird_fuse.inodes import ROOT
from bowerbird_fuse.tree import Outdated
from bowerbird_fuse.view import SpaceShown, Standing, View

from tests.support.kernel import Kernel
from tests.support.views import HOME_SPACE, release, view

TEAM = SpaceShown("ant", 7, True)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    for path, text in {
        "release/sky/dr1/file": "one",
        "release/sky/dr1/sub/deep": "deep",
        "home/note": "note",
        "team/ant/plan": "plan",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    kernel.show(view(release("dr1"), release("dr3", Standing.ANNOUNCED), spaces=(HOME_SPACE, TEAM)))
    umask = os.umask(0)
    yield kernel
    os.umask(umask)
    kernel.close()


def test_everything_is_listed_where_it_belongs(kernel: Kernel) -> None:
    assert kernel.names("") == [".view.json", "home", "private", "public", "releases", "teams"]
    assert kernel.names("releases/sky") == ["dr1", "dr3"]
    assert kernel.names("releases/sky/dr1") == ["README", "file", "sub"]
    assert kernel.names("teams/ant") == ["plan"]


def test_files_of_stores_and_texts_of_the_view_are_read(kernel: Kernel) -> None:
    assert kernel.read("releases/sky/dr1/sub/deep") == b"deep"
    assert kernel.read("releases/sky/dr3/README") == b"README of dr3\n"
    assert kernel.read("releases/sky/dr1/README") == b"README of dr1\n"


def test_releases_are_shown_as_roots_and_never_writable(kernel: Kernel) -> None:
    for path in ("releases/sky/dr1", "releases/sky/dr1/file", "releases/sky/dr1/README", ".view.json"):
        shown = kernel.files.attributes(kernel.find(path))
        assert (shown.uid, shown.gid) == (0, 601)
        assert shown.mode & 0o222 == 0


@pytest.mark.parametrize(
    ("path", "error"),
    [("nothing", NoSuchNode), ("releases/sky/dr2", NoSuchNode), ("releases/sea", NoSuchNode), ("releases/sky/dr3/file", AccessDenied)],
)
def test_what_is_not_shown_is_refused(kernel: Kernel, path: str, error: type[ViewError]) -> None:
    with pytest.raises(error):
        kernel.find(path)


def test_right_that_ends_by_the_clock_ends_for_every_node_at_once(kernel: Kernel) -> None:
    kernel.show(view(release("dr1", until=10.0), spaces=(HOME_SPACE,)))
    top, deep = kernel.find("releases/sky/dr1"), kernel.find("releases/sky/dr1/sub/deep")
    handle = kernel.files.open(deep, os.O_RDONLY)
    kernel.now = 10.0
    for act in (
        lambda: kernel.files.attributes(top),
        lambda: kernel.files.attributes(deep),
        lambda: kernel.files.open(deep, os.O_RDONLY),
        lambda: kernel.tree.lookup(top, b"file"),
        lambda: kernel.files.open_directory(top),
    ):
        with pytest.raises(StaleNode):
            act()
    with pytest.raises(AccessDenied):
        kernel.files.read(handle.number, 0, 10)


def test_lost_release_is_forgotten_with_all_below_and_nothing_else_is(kernel: Kernel) -> None:
    numbers = {
        path: kernel.find(path) for path in ("releases/sky/dr1", "releases/sky/dr1/sub", "releases/sky/dr1/sub/deep", "home", "home/note")
    }
    outdated = kernel.show(view(spaces=(HOME_SPACE, TEAM)))
    assert {numbers[p] for p in ("releases/sky/dr1", "releases/sky/dr1/sub", "releases/sky/dr1/sub/deep")} <= set(outdated.inodes)
    assert not {numbers["home"], numbers["home/note"]} & set(outdated.inodes)
    assert (numbers["releases/sky/dr1/sub"], b"deep") in outdated.names
    with pytest.raises(StaleNode):
        kernel.files.attributes(numbers["releases/sky/dr1/sub/deep"])


def test_same_view_again_makes_the_kernel_forget_nothing(kernel: Kernel) -> None:
    for path in ("releases/sky/dr1/file", "home/note", "public/sky-dr1"):
        kernel.find(path)
    assert kernel.show(view(release("dr1"), release("dr3", Standing.ANNOUNCED), spaces=(HOME_SPACE, TEAM))) == Outdated()


def test_text_that_changed_is_read_anew(kernel: Kernel) -> None:
    number = kernel.find(".view.json")
    changed = View("ann", 601, 601, "{1}\n", spaces=(HOME_SPACE,))
    assert number in kernel.show(changed).inodes
    assert kernel.read(".view.json") == b"{1}\n"


def test_space_that_became_read_only_refuses_a_writer_who_has_it_open(kernel: Kernel) -> None:
    handle = kernel.files.open(kernel.find("teams/ant/plan"), os.O_RDWR)
    reader = kernel.files.open(kernel.find("teams/ant/plan"), os.O_RDONLY)
    kernel.show(view(spaces=(HOME_SPACE, SpaceShown("ant", 7, False))))
    with pytest.raises(ReadOnly):
        kernel.files.write(handle.number, 0, b"x")
    assert kernel.files.read(reader.number, 0, 10) == b"plan"
    assert kernel.files.attributes(kernel.find("teams/ant/plan")).mode & 0o222 == 0


def test_writing_ends_by_the_clock_and_reading_goes_on(kernel: Kernel) -> None:
    kernel.show(view(spaces=(HOME_SPACE, SpaceShown("ant", 7, True, write_until=10.0))))
    handle = kernel.files.open(kernel.find("teams/ant/plan"), os.O_RDWR)
    kernel.now = 10.0
    with pytest.raises(ReadOnly):
        kernel.files.write(handle.number, 0, b"x")
    with pytest.raises(ReadOnly):
        kernel.changes.unlink(kernel.find("teams/ant"), b"plan")
    assert kernel.files.read(handle.number, 0, 10) == b"plan"


def test_nothing_in_a_release_is_changed(kernel: Kernel) -> None:
    top, file = kernel.find("releases/sky/dr1"), kernel.find("releases/sky/dr1/file")
    for act in (
        lambda: kernel.files.open(file, os.O_RDWR),
        lambda: kernel.files.open(file, os.O_RDONLY | os.O_TRUNC),
        lambda: kernel.files.create(top, b"new", os.O_WRONLY, 0o600),
        lambda: kernel.changes.mkdir(top, b"new", 0o700),
        lambda: kernel.changes.unlink(top, b"file"),
        lambda: kernel.changes.rename((top, b"file"), (top, b"elif"), 0),
        lambda: kernel.changes.set(file, Wanted(size=0)),
        lambda: kernel.changes.set_xattr(file, b"user.a", b"b"),
        lambda: kernel.files.open(kernel.find("releases/sky/dr1/README"), os.O_WRONLY),
    ):
        with pytest.raises(ReadOnly):
            act()
    assert (kernel.top / "release/sky/dr1/file").read_text() == "one"


def test_nothing_crosses_from_one_space_into_another(kernel: Kernel) -> None:
    home, team = kernel.find("home"), kernel.find("teams/ant")
    with pytest.raises(OutsideSpace):
        kernel.changes.rename((home, b"note"), (team, b"note"), 0)
    with pytest.raises(OutsideSpace):
        kernel.changes.link(kernel.find("home/note"), team, b"note")


def test_file_that_another_put_in_its_place_is_not_taken_for_it(kernel: Kernel) -> None:
    number = kernel.find("home/note")
    (kernel.top / "home/other").write_text("other")
    (kernel.top / "home/other").rename(kernel.top / "home/note")
    assert kernel.files.attributes(number).nlink == 0
    kernel.tree.recent.expire(0)
    with pytest.raises(StaleNode):
        kernel.files.attributes(number)
    assert kernel.find("home/note") != number
    assert kernel.read("home/note") == b"other"


def test_file_that_another_moved_is_found_at_its_new_name(kernel: Kernel) -> None:
    number = kernel.find("home/note")
    (kernel.top / "home/note").rename(kernel.top / "home/moved")
    assert kernel.find("home/moved") == number
    assert kernel.files.attributes(number).size == 4


def test_link_in_a_release_that_leads_out_is_shown_and_not_followed(kernel: Kernel) -> None:
    (kernel.top / "release/sky/dr1/out").symlink_to("../../../home")
    out = kernel.find("releases/sky/dr1/out")
    assert kernel.files.readlink(out) == b"../../../home"
    with pytest.raises(OSError, match=r"directory|links"):
        kernel.tree.lookup(out, b"note")


def test_next_worker_goes_on_with_the_open_handles(kernel: Kernel) -> None:
    number = kernel.find("home/note")
    handle = kernel.files.open(number, os.O_RDWR | os.O_TRUNC)
    kernel.files.write(handle.number, 0, b"written")
    listing = kernel.files.open_directory(kernel.find("home"))
    gone = kernel.files.open(number, os.O_RDONLY)
    kernel.files.handles.drop(gone.number)
    kernel.kill()
    assert kernel.files.read(handle.number, 0, 100) == b"written"
    kernel.files.write(handle.number, 7, b" on")
    assert (kernel.top / "home/note").read_text() == "written on"
    assert [name for name, _, _ in kernel.files.list(listing.number, 2)] == [b"note"]
    with pytest.raises(StaleNode):
        kernel.files.read(gone.number, 0, 1)
    assert kernel.files.open(number, os.O_RDONLY).number not in {handle.number, listing.number}


def test_new_files_of_a_team_are_the_teams(kernel: Kernel) -> None:
    team, home = kernel.find("teams/ant"), kernel.find("home")
    modes = []
    for space in (team, home):
        for mode in (0o644, 0o600):
            _, shown = kernel.files.create(space, f"{mode:o}".encode(), os.O_WRONLY, mode)
            modes.append(stat.S_IMODE(shown.mode))
    assert [f"{mode:o}" for mode in modes] == ["664", "600", "644", "600"]


def test_everything_that_was_looked_up_can_be_forgotten(kernel: Kernel) -> None:
    before = len(kernel.tree.inodes)
    numbers = [kernel.find("releases/sky/dr1/sub/deep"), kernel.find("home/note")]
    assert len(kernel.tree.inodes) > before
    for node in [*kernel.tree.inodes.below([ROOT])]:
        kernel.tree.inodes.forget(node.id, node.lookups)
    assert len(kernel.tree.inodes) == 1
    for number in numbers:
        with pytest.raises(StaleNode):
            kernel.files.attributes(number)
