"""A gallery whose images SODA cuts."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.services.gallery import Gallery, fill_with_axes, gallery


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery"), before=fill_with_axes) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gallery]:
    """A gallery whose files a test may change."""
    with gallery(tmp_path) as found:
        yield found


@pytest.fixture
def client(shown: Gallery) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shown.address, timeout=30) as client:
        yield client
