"""How often a job is asked for."""

import pytest
from bowerbird.vo.patience import Patience, patience


def questions(until: float) -> list[float]:
    """Return when a job is asked for that takes so long, of a service that answers at once."""
    asked = [0.0]
    while asked[-1] < until:
        asked.append(asked[-1] + patience(asked[-1]).seconds)
    return asked


@pytest.mark.parametrize("took", [0.01, 0.2, 1.2, 3.0, 60.0])
def test_waiting_adds_little_to_what_a_job_took(took: float) -> None:
    assert questions(took)[-1] - took <= max(0.02, 0.1 * took)


@pytest.mark.parametrize(("took", "most"), [(1, 30), (10, 60), (3600, 800)])
def test_a_service_is_not_asked_more_often_than_that_needs(took: float, most: int) -> None:
    assert len(questions(took)) <= most


def test_a_young_job_is_not_waited_for_by_a_service_that_may_look_only_each_second() -> None:
    assert not any(patience(waited).long for waited in (0.0, 1.0, 3.0, 9.9))


def test_an_old_one_is_and_the_pause_where_the_service_does_not_know_how_has_an_end() -> None:
    assert patience(10.0) == Patience(1.0, long=True)
    assert patience(86_400.0) == Patience(5.0, long=True)
