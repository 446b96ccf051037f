"""How often something is looked for that tells nobody when it has come."""

import pytest
from bowerbird_hub.runtimes.looks import until_next


@pytest.mark.parametrize(("comes", "latest", "most_looks"), [(0.05, 0.1, 2), (2.0, 2.2, 20), (8.0, 8.8, 40), (60.0, 61.0, 90)])
def test_who_waits_is_told_a_tenth_later_at_most(comes: float, latest: float, most_looks: int) -> None:
    at = [100.0]
    looks = 0
    for seconds in until_next(lambda: at[0]):
        looks += 1
        if at[0] - 100.0 >= comes:
            break
        at[0] += seconds
    assert at[0] - 100.0 <= latest + 1e-6
    assert looks <= most_looks
