"""What the rows of a cluster are reckoned by, without one."""

import pytest

from tests.bench.cluster_crowd import all_but_a_hundredth

_INF = float("inf")


@pytest.mark.parametrize(
    ("counts", "seconds"),
    [
        # Bounds, and how many of a thousand were back within each.
        ({0.05: 1000, 0.1: 1000, _INF: 1000}, 0.0495),
        ({0.05: 900, 0.25: 990, _INF: 1000}, 0.25),
        ({0.05: 980, 0.25: 1000, _INF: 1000}, 0.15),
        ({0.05: 100, 0.25: 900, _INF: 1000}, 0.25),
    ],
)
def test_lag_is_read_from_a_histogram_as_prometheus_does(counts: dict[float, float], seconds: float) -> None:
    before = dict.fromkeys(counts, 7.0)
    after = {bound: count + 7.0 for bound, count in counts.items()}
    assert all_but_a_hundredth(before, after) == pytest.approx(seconds)


def test_hub_that_counted_nothing_meanwhile_has_no_lag_to_tell() -> None:
    with pytest.raises(ValueError, match="empty"):
        all_but_a_hundredth({0.05: 5.0, _INF: 5.0}, {0.05: 5.0, _INF: 5.0})
