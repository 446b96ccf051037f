"""What is said of the files that the service may not read."""

import os

import pytest
from bowerbird_services.ingest.closed_files import told


@pytest.mark.parametrize("name", ["two\nlines", os.fsdecode(b"latin-\xe9.fits")])
def test_names_that_no_log_can_hold_are_told_in_one_line(name: str) -> None:
    said = told(["a.fits", name])
    assert said.startswith("a.fits, '")
    assert said.encode("ascii").splitlines() == [said.encode("ascii")]
