"""What a test of machines is skipped for, or fails for where a machine of CI was to run it."""

import os
from typing import NoReturn

import pytest

from tests.support.cluster.lacking import ClusterMissing, require_machines


def give_up(missing: ClusterMissing) -> NoReturn:
    """Skip with the reason; whoever asked for it on a machine of CI is not helped by a skip."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no cluster here: {missing}")


@pytest.fixture(scope="session")
def able() -> None:
    """That this machine can make others."""
    try:
        require_machines()
    except ClusterMissing as missing:
        give_up(missing)
