"""What the headers of a request say that it takes."""

import pytest
from bowerbird_services.accepted import accepted


@pytest.mark.parametrize("weight", ["q=0", "Q=0.", "q=0.0", " q=0.00", " q = 0.000 ", "level=1;q=0"])
def test_what_has_no_weight_is_not_taken(weight: str) -> None:
    assert accepted(f"gzip;{weight}, br") == {"br"}


@pytest.mark.parametrize("weight", ["q=1", "q=0.001", "q=.2", "q=0.0x", "q=", "q=00", "level=0"])
def test_any_other_weight_and_one_that_is_no_number_leave_it_taken(weight: str) -> None:
    assert accepted(f"GZIP ;{weight}, br") == {"gzip", "br"}
