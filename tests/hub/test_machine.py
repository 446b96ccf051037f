"""What a machine lacks, as `status` says it."""

import pytest
from bowerbird_hub.supervision.machine import RESENDING, kernel


@pytest.mark.parametrize(
    ("release", "version"), [("6.1.0-28-amd64", (6, 1)), ("6.9.0", (6, 9)), ("6.12.3-x", (6, 12)), ("7.0-rc1", (7, 0)), ("10.2", (10, 2))]
)
def test_kernel_version_compares_as_numbers(release: str, version: tuple[int, int]) -> None:
    assert kernel(release) == version
    assert (kernel(release) >= RESENDING) == (release != "6.1.0-28-amd64")
