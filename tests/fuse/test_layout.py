"""The folders, links and texts that a view makes."""

from bowerbird_fuse.layout import Folder, Link, Mounted, Text, layout, link_names
from bowerbird_fuse.view import SpaceShown, Standing, View
from hypothesis import given

from tests.support.views import HOME_SPACE, release, view, views


def drawn(folder: Folder) -> dict[str, object]:
    return {name.decode(): drawn(child) if isinstance(child, Folder) else child for name, child in folder.children.items()}


def test_tree_of_a_view() -> None:
    shown = view(
        release("dr1"),
        release("dr2", Standing.PROPRIETARY),
        release("dr3", Standing.ANNOUNCED),
        spaces=(HOME_SPACE, SpaceShown("ant", 7, True)),
    )
    top = layout(shown, set(shown.writable))
    assert drawn(top) == {
        ".view.json": Text(b"{}\n"),
        "home": Mounted("home"),
        "private": {"sky-dr2": Link(b"../releases/sky/dr2")},
        "public": {"sky-dr1": Link(b"../releases/sky/dr1")},
        "releases": {
            "sky": {
                "dr1": Mounted("release/sky/dr1", Text(b"README of dr1\n")),
                "dr2": Mounted("release/sky/dr2", Text(b"README of dr2\n")),
                "dr3": {"README": Text(b"README of dr3\n")},
            }
        },
        "teams": {"ant": Mounted("team/ant")},
    }


def folder(top: Folder, *path: bytes) -> Folder:
    for name in path:
        child = top.children[name]
        assert isinstance(child, Folder)
        top = child
    return top


def test_only_an_announced_release_refuses_unknown_names() -> None:
    top = layout(view(release("dr1"), release("dr3", Standing.ANNOUNCED)), ())
    assert folder(top, b"releases", b"sky", b"dr3").closed
    assert not folder(top, b"releases", b"sky", b"dr1").closed
    assert not folder(top, b"releases", b"sky").closed


def test_release_whose_directory_is_missing_has_its_readme_alone() -> None:
    assert list(folder(layout(view(release("dr1")), ()), b"releases", b"sky", b"dr1").children) == [b"README"]


def test_links_that_would_share_a_name_get_another() -> None:
    shown = view(release("b-c", collection="a"), release("c", collection="a-b"), release("d", collection="a"))
    assert set(link_names(shown).values()) == {"a.b-c", "a-b.c", "a-d"}


@given(views())
def test_every_release_has_one_link_and_every_link_leads_to_it(shown: View) -> None:
    names = link_names(shown)
    assert len(set(names.values())) == len(shown.releases)
    top = layout(shown, set(shown.writable))
    for standing in (Standing.PUBLIC, Standing.PROPRIETARY):
        for child in folder(top, standing.value.replace("proprietary", "private").encode()).children.values():
            assert isinstance(child, Link)
            _, releases, collection, name = child.target.split(b"/")
            assert name in folder(top, releases, collection).children
