"""One sky for all the tests of ADQL: its tables are only read."""

from collections.abc import Iterator

import pytest

from tests.services.adql.sky import Sky, open_sky


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sky]:
    """Give a sky."""
    opened = open_sky(tmp_path_factory.mktemp("sky"))
    yield opened
    opened.backend.close()
