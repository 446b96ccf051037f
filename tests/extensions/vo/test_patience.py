"""How often a job is asked for."""

import asyncio

import pytest
from bowerbird.vo.http import HTTP
from bowerbird.vo.patience import Due, Patience
from bowerbird.vo.records import Records
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens

from tests.extensions.vo.conftest import QUERY
from tests.support.tap_server import Behaviour


def questions(until: float) -> list[float]:
    """Return when a job is asked for that takes so long, of a service without WAIT, which answers at once."""
    asked, patience = [0.0], Patience()
    while asked[-1] < until:
        asked.append(asked[-1] + patience.due(asked[-1]).pause_seconds)
    return asked


@pytest.mark.parametrize("took", [0.01, 0.2, 1.2, 3.0, 60.0])
def test_waiting_adds_little_to_what_a_job_took(took: float) -> None:
    assert questions(took)[-1] - took <= max(0.02, 0.1 * took)


@pytest.mark.parametrize(("took", "most"), [(1, 30), (10, 60), (3600, 800)])
def test_a_service_is_not_asked_more_often_than_that_needs(took: float, most: int) -> None:
    assert len(questions(took)) <= most


def test_a_new_job_is_left_to_its_service_for_a_second() -> None:
    assert Patience().due(0.0) == Due(0.02, wait_seconds=1)


def test_from_then_on_no_time_is_lost_with_a_service_that_may_look_only_each_second() -> None:
    assert [Patience().due(waited).wait_seconds for waited in (1.0, 3.0, 9.9)] == [0, 0, 0]


def test_an_old_one_is_waited_for_by_its_service_and_the_pause_where_that_does_not_know_how_has_an_end() -> None:
    assert Patience().due(10.0) == Due(1.0, wait_seconds=5)
    assert Patience().due(86_400.0) == Due(5.0, wait_seconds=5)


@pytest.mark.parametrize(
    ("took", "over", "learnt"),
    [(1.02, True, True), (0.95, True, True), (0.3, True, False), (1.02, False, False)],
    ids=["over when it was time", "nearly", "told at once", "still busy"],
)
def test_a_service_that_said_too_late_that_a_job_was_over_is_asked_at_short_intervals(took: float, over: bool, learnt: bool) -> None:
    patience = Patience()
    patience.heard(patience.due(0.0), took, over=over)
    assert patience.due(0.0) == Due(0.02, wait_seconds=0 if learnt else 1)


def paths(tap: Behaviour, jobs: int) -> list[list[str]]:
    """Return how a service is asked for some jobs, one after the other, by one client."""

    async def ask() -> list[list[str]]:
        async with HTTP(Tokens()) as http:
            service, found = TAP(http, tap.url, Records(None)), []
            await service.response_format()
            for _ in range(jobs):
                tap.seen.clear()
                (await service.ask(Question(QUERY, background=True, keep=False), seconds=20)).file.close()
                found.append([f"{seen.method} {seen.path.partition('/async')[2][9:]}".strip() for seen in tap.seen])
            return found

    return asyncio.run(ask())


def test_a_small_job_costs_four_requests_where_the_service_answers_at_once(tap: Behaviour) -> None:
    small = ["POST", "GET ?WAIT=1&PHASE=EXECUTING", "GET /results/result", "DELETE"]
    assert paths(tap, 2) == [small, small]


def test_a_job_that_waits_to_be_run_is_run_at_once(tap: Behaviour) -> None:
    tap.reads_phase = False
    (asked,) = paths(tap, 1)
    assert asked[:3] == ["POST", "GET ?WAIT=1&PHASE=EXECUTING", "POST /phase"]


def test_the_second_job_of_a_service_that_looks_late_is_asked_for_without_wait(tap: Behaviour) -> None:
    tap.prompt = False
    first, second = paths(tap, 2)
    assert any("WAIT" in path for path in first)
    assert not any("WAIT" in path for path in second)
