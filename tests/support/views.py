"""Views to test with."""

from bowerbird_fuse.view import ReleaseShown, SpaceShown, Standing, View
from hypothesis import strategies as st

_NAMES = st.from_regex(r"[a-c]([a-c_-]{0,2})", fullmatch=True)
_ENDS = st.none() | st.floats(0, 100)


def release(name: str = "dr1", standing: Standing = Standing.PUBLIC, until: float | None = None, collection: str = "sky") -> ReleaseShown:
    """Return a release as a view shows it."""
    return ReleaseShown(collection, name, standing, f"README of {name}\n", until)


HOME_SPACE = SpaceShown(None, 601, True)


def view(*releases: ReleaseShown, spaces: tuple[SpaceShown, ...] = (HOME_SPACE,)) -> View:
    """Return the view of somebody with a home."""
    return View("ann", 601, 601, "{}\n", releases, spaces, 5.0)


def views() -> st.SearchStrategy[View]:
    """Draw any view."""
    shown = st.builds(ReleaseShown, _NAMES, _NAMES, st.sampled_from(Standing), st.text(max_size=5), _ENDS)
    space = st.builds(SpaceShown, st.none() | _NAMES, st.integers(1, 9), st.booleans(), _ENDS, _ENDS)
    releases = st.lists(shown, max_size=5, unique_by=lambda r: r.key).map(tuple)
    spaces = st.lists(space, max_size=3, unique_by=lambda s: s.key).map(tuple)
    return st.builds(
        View, st.text(max_size=9), st.integers(1, 9), st.integers(1, 9), st.text(max_size=9), releases, spaces, st.floats(0, 9)
    )
