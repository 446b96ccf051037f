"""The part of a view that no store has: its folders, links and generated texts; a pure tree made from the view."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

from bowerbird_fuse.view import HOME, ReleaseShown, Standing, View

README = b"README"
# The README's other name, where the data has a file of the first one.
OTHER_README = b"README.bowerbird"
MANIFEST = b".view.json"


@dataclass(frozen=True, slots=True)
class Text:
    """A generated file."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A generated symbolic link."""

    target: bytes


@dataclass(frozen=True, slots=True)
class Mounted:
    """The top of a store: a release, with its generated README beside the data, or a space."""

    key: str
    readme: Text | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A generated directory; a `closed` one says "refused" to every name that it does not show, not "no such"."""

    children: Mapping[bytes, "Made"]
    closed: bool = False


Made = Folder | Link | Mounted | Text


def layout(view: View, stores: Container[str]) -> Folder:
    """Return the tree of a view; `stores` are the keys of the directories that are there."""
    releases: dict[bytes, dict[bytes, Made]] = {}
    for release in view.releases:
        releases.setdefault(release.collection.encode(), {})[release.name.encode()] = _release(release, stores)
    teams: dict[bytes, Made] = {s.team.encode(): Mounted(s.key) for s in view.spaces if s.team is not None and s.key in stores}
    return Folder(
        {
            MANIFEST: Text(view.manifest.encode()),
            b"private": Folder(_links(view, Standing.PROPRIETARY)),
            b"public": Folder(_links(view, Standing.PUBLIC)),
            b"releases": Folder({name: Folder(children) for name, children in releases.items()}),
            b"teams": Folder(teams),
            **({b"home": Mounted(HOME)} if HOME in stores else {}),
        }
    )


def _release(release: ReleaseShown, stores: Container[str]) -> Made:
    readme = Text(release.readme.encode())
    if release.readable and release.key in stores:
        return Mounted(release.key, readme)
    return Folder({README: readme}, closed=not release.readable)


def _links(view: View, standing: Standing) -> dict[bytes, Made]:
    names = link_names(view)
    shown = [release for release in view.releases if release.standing is standing]
    return {names[release.key].encode(): Link(f"../releases/{release.collection}/{release.name}".encode()) for release in shown}


def link_names(view: View) -> Mapping[str, str]:
    """Return the name of each release's link, by key: `C-R`, or `C.R` for releases that would share such a name."""
    plain = {release.key: f"{release.collection}-{release.name}" for release in view.releases}
    taken = Counter(plain.values())
    return {
        release.key: plain[release.key] if taken[plain[release.key]] == 1 else f"{release.collection}.{release.name}"
        for release in view.releases
    }
