"""Queries at once and as jobs, by a service that is well and by one that is not."""

import asyncio
import io
from collections.abc import Callable

import numpy as np
import pytest
from astropy.table import Table
from bowerbird.errors import JobLost, NotATable, QueryRefused, ServiceGone, ServiceSlow, SignInNeeded, TooLarge
from bowerbird.vo.http import HTTP
from bowerbird.vo.jobs import Job
from bowerbird.vo.records import Records
from bowerbird.vo.results import Answer
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird.vo.uploads import document
from bowerbird.votable import read

from tests.extensions.vo.conftest import QUERY
from tests.support.tap_server import FIRST, MIME, Behaviour, Reply, Seen, broken, numbers

Asked = Callable[..., Answer]
WAYS = pytest.mark.parametrize("background", [False, True], ids=["sync", "async"])


def at(path: str, reply: Reply, times: int = 1_000_000) -> Callable[[Seen], Reply | None]:
    left = [times]

    def odd(seen: Seen) -> Reply | None:
        if path not in seen.path or left[0] == 0:
            return None
        left[0] -= 1
        return reply

    return odd


@WAYS
def test_rows_keep_identifiers_units_and_nulls(asked: Asked, background: bool) -> None:
    with (answer := asked(background=background)).file:
        table = answer.to_qtable()
    assert table["id"].tolist() == [FIRST, FIRST + 1, FIRST + 2]
    assert str(table["mag"].unit) == "mag"
    assert table["mag"].mask.tolist() == [True, False, False]
    assert not table.meta["overflow"]


def test_an_answer_is_given_as_arrow_and_as_pyvo_too(asked: Asked) -> None:
    with (answer := asked()).file:
        arrow = answer.to_arrow()
        assert arrow.column("id").to_pylist() == [FIRST, FIRST + 1, FIRST + 2]
        assert arrow.column("mag").to_pylist() == [None, 1.0, 2.0]
        assert arrow.schema.field("mag").metadata == {b"unit": b"mag"}
        assert answer.to_pyvo()["id"].tolist() == [FIRST, FIRST + 1, FIRST + 2]


def test_the_best_format_that_the_service_lists_is_asked_for(asked: Asked, tap: Behaviour) -> None:
    asked().file.close()
    assert tap.asked("POST", "/sync")[0].form["RESPONSEFORMAT"] == MIME
    tap.formats = ("text/csv",)
    asked().file.close()
    assert tap.asked("POST", "/sync")[1].form["RESPONSEFORMAT"] == "votable"


@WAYS
def test_tables_are_uploaded(asked: Asked, tap: Behaviour, background: bool) -> None:
    mine = Table({"id": [FIRST, 2], "name": ["á", "b"]})
    asked(uploads={"mine": document(mine)}, background=background).file.close()
    seen = tap.asked("POST", "/async" if background else "/sync")[0]
    assert seen.form["UPLOAD"] == "mine,param:mine"
    there = read(io.BytesIO(seen.files["mine"])).table
    assert there["id"].tolist() == [FIRST, 2]
    assert there["name"].tolist() == ["á", "b"]


def test_an_overflow_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.answer = lambda _: numbers(2, overflow=True)
    with (answer := asked(limit=2)).file:
        assert answer.overflow
        assert answer.to_qtable().meta["overflow"]
    assert tap.asked("POST", "/sync")[0].form["MAXREC"] == "2"


def test_a_job_that_its_service_left_pending_is_run(asked: Asked, tap: Behaviour) -> None:
    tap.reads_phase = False
    with (answer := asked(background=True)).file:
        assert len(answer.votable.table) == 3
    assert sum(seen.form.get("PHASE") == "RUN" and seen.path.endswith("/phase") for seen in tap.seen) == 1


@WAYS
def test_nothing_of_a_job_is_left_when_it_is_done(asked: Asked, tap: Behaviour, records: Records, background: bool) -> None:
    asked(background=background).file.close()
    assert not tap.jobs
    assert not records.all()


def test_an_error_of_a_job_is_said_in_the_words_of_the_service(asked: Asked, tap: Behaviour) -> None:

    def spoil(_: Seen) -> None:
        for job in tap.jobs.values():
            job.error = "no column 'foo'"

    tap.odd = spoil
    with pytest.raises(QueryRefused, match=r"tap says: no column 'foo'; change the query; the query was: SELECT id"):
        asked(background=True)
    assert not tap.jobs


def test_a_sentence_of_the_service_goes_on_without_its_full_stop(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/sync", Reply(400, broken("there is no column 'foo'.")))
    with pytest.raises(QueryRefused, match=r"says: there is no column 'foo'; change the query"):
        asked()


@WAYS
def test_a_table_that_is_closed_is_not_to_be_asked_in_another_way(asked: Asked, tap: Behaviour, background: bool) -> None:
    sentence = "Reading release sky/dr2 is refused: it is proprietary, until 2199. Who can change that: the owners of team craft (a@b.org)."

    def spoil(_: Seen) -> None:
        for job in tap.jobs.values():
            job.error = sentence

    tap.odd = spoil if background else at("/sync", Reply(400, broken(sentence)))
    with pytest.raises(QueryRefused, match=r"the owners of team craft \(a@b.org\); until then no query reads it; the query was: SELECT id"):
        asked(background=background)


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_document_is_a_refusal(asked: Asked, tap: Behaviour, status: int) -> None:
    tap.odd = at("/sync", Reply(status, broken("line 1, column 8: no column 'foo'")))
    with pytest.raises(QueryRefused, match="says: line 1, column 8: no column 'foo'"):
        asked()


def test_what_a_job_is_refused_with_is_said_too(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/async", Reply(400, broken("you have too many jobs")))
    with pytest.raises(QueryRefused, match="you have too many jobs"):
        asked(background=True)


def test_a_page_in_place_of_a_table_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/sync", Reply(body=b"\n<!DOCTYPE html><html><body>Welcome</body></html>"))
    with pytest.raises(NotATable, match=r"a page for people.*sign-in.*SELECT id"):
        asked()


@WAYS
def test_a_page_in_place_of_a_job_or_a_table_is_told(asked: Asked, tap: Behaviour, background: bool) -> None:
    path = "/async/" if background else "/sync"
    tap.odd = at(path, Reply(body=b"<html><body>Welcome</body></html>", kind="text/html"))
    with pytest.raises(NotATable):
        asked(background=background)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_table_that_is_cut_off_is_no_answer(asked: Asked, tap: Behaviour, share: float) -> None:
    whole = numbers(5000)
    tap.odd = at("/sync", Reply(body=whole[: int(len(whole) * share)]))
    with pytest.raises(NotATable, match="no whole VOTable"):
        asked()


def test_a_connection_that_breaks_in_the_answer_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/sync", Reply(body=numbers()[:100], cut=True))
    with pytest.raises(ServiceGone, match="cannot be reached"):
        asked()


def test_what_calls_itself_a_table_and_is_none_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.answer = lambda _: b"\x89PNG\r\n\x1a\n" + bytes(100)
    with pytest.raises(NotATable):
        asked()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_query_is_asked_again_where_the_service_is_troubled(asked: Asked, tap: Behaviour, status: int) -> None:
    tap.odd = at("/sync", Reply(status, b"busy", "text/plain"), times=2)
    with (answer := asked()).file:
        assert len(answer.votable.table) == 3
    assert len(tap.asked("POST", "/sync")) == 3


def test_a_job_is_not_made_twice(asked: Asked, tap: Behaviour) -> None:
    tap.odd = lambda seen: Reply(503, b"busy", "text/plain") if seen.method == "POST" and seen.path == "/tap/async" else None
    with pytest.raises(ServiceGone, match="answered 503"):
        asked(background=True)
    assert len(tap.asked("POST", "/async")) == 1


def test_polling_survives_a_service_that_is_troubled_for_a_moment(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/async/", Reply(503, b"busy", "text/plain"), times=2)
    with (answer := asked(background=True)).file:
        assert len(answer.votable.table) == 3


def test_a_service_that_is_not_there_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.url = "http://127.0.0.1:9/tap"
    with pytest.raises(ServiceGone, match=r"cannot be reached.*service="):
        asked()


def test_a_slow_answer_ends_at_the_deadline(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/sync", Reply(body=numbers()[:50], stall=True))
    with pytest.raises(ServiceSlow, match=r"was not done within 0.3 s; give it more with seconds=.*SELECT id"):
        asked(seconds=0.3)


def test_a_slow_job_is_stopped_at_the_deadline(asked: Asked, tap: Behaviour, records: Records) -> None:
    tap.finishes = False
    with pytest.raises(ServiceSlow):
        asked(seconds=0.5, background=True)
    assert [what for _, what in tap.ended] == ["ABORT", "DELETE"]
    assert not tap.jobs
    assert not records.all()


def test_a_token_that_runs_out_in_the_middle_of_a_job_is_told(asked: Asked, tap: Behaviour) -> None:
    tap.odd = at("/async/", Reply(403, b"", "text/plain"))
    with pytest.raises(SignInNeeded, match=r"may have run out; in a notebook, restart your server, which gets a new one"):
        asked(background=True)


def test_a_job_whose_token_ended_by_the_clock_is_found_again_with_the_next_one(asked: Asked, tap: Behaviour, records: Records) -> None:
    now, tokens = [0], {"secret": 50, "next": 10_000}
    tap.finishes = False

    def clock(seen: Seen) -> Reply | None:
        now[0] += 10
        over = now[0] > tokens[seen.headers.get("authorization", "").removeprefix("Bearer ")]
        return Reply(401, b"the token has ended", "text/plain") if over else None

    tap.odd = clock
    with pytest.raises(SignInNeeded, match=r"does not take the token that it got: the token has ended; in a notebook, restart your server"):
        asked(background=True)
    (record,), tap.finishes = records.all(), True

    async def again() -> int:
        async with HTTP(Tokens({tap.url: "next"})) as http, Job.found(http, record, records) as job:
            with (answer := await TAP(http, tap.url, records).result(job, Question(QUERY))).file:
                return len(answer.votable.table)

    assert asyncio.run(again()) == 3
    assert not tap.jobs
    assert not records.all()


def test_a_job_that_is_gone_is_told(asked: Asked, tap: Behaviour, records: Records) -> None:
    tap.odd = at("/async/", Reply(404, b"gone", "text/plain"))
    with pytest.raises(JobLost):
        asked(background=True)
    assert not records.all()


def test_an_answer_beyond_what_is_allowed_is_not_read(asked: Asked, tap: Behaviour) -> None:
    tap.answer = lambda _: numbers(5000)
    with pytest.raises(TooLarge, match=r"more than 1\u2009000 bytes.*most_bytes="):
        asked(most_bytes=1000)


def test_columns_that_no_votable_holds_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="column 'z'"):
        document({"z": np.array([1 + 1j])})
    with pytest.raises(ValueError, match="beyond 2\\^63"):
        document({"z": np.array([2**63], dtype="u8")})


def test_the_query_in_the_tests_is_what_is_sent(asked: Asked, tap: Behaviour) -> None:
    asked().file.close()
    form = tap.asked("POST", "/sync")[0].form
    assert (form["QUERY"], form["LANG"], form["REQUEST"]) == (QUERY, "ADQL", "doQuery")
