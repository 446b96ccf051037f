"""A fresh directory for each check, in each kind of place; one keeper for all checks of a file."""

from collections.abc import Iterator

import pytest

from tests.fuse.conftest import two_teams
from tests.support.places import HOME, NATIVE, TEAM, VIEWS, Place, Places, places_in


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """A keeper with two people's views mounted."""
    with places_in(tmp_path_factory.mktemp("posix"), two_teams()) as places:
        yield places


@pytest.fixture(params=[NATIVE, HOME, TEAM])
def place(request: pytest.FixtureRequest, places: Places) -> Place:
    """Where one process works."""
    return places.place(request.param)


@pytest.fixture(params=[NATIVE, TEAM, VIEWS])
def pair(request: pytest.FixtureRequest, places: Places) -> Place:
    """Where two processes work."""
    return places.place(request.param)


@pytest.fixture(params=[NATIVE, VIEWS])
def apart(request: pytest.FixtureRequest, places: Places) -> Place:
    """Where two processes work that share no mount, for what takes long."""
    return places.place(request.param)
