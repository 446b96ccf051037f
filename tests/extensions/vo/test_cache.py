"""Answers kept on disk: those that everybody may read, whole, not too old, and not too many."""

import asyncio
import io
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird.vo.cache import Cache, key
from bowerbird.vo.http import HTTP
from bowerbird.vo.records import Records
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens
from bowerbird.votable import Field, Header, Info, Writer

from tests.extensions.vo.conftest import QUERY
from tests.support.tap_server import Behaviour, Reply, numbers

Rows = Callable[..., int]


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "answers")


@pytest.fixture
def rows(tap: Behaviour, records: Records, kept: Cache) -> Rows:
    def rows(adql: str = QUERY, tokens: Tokens | None = None, **more: object) -> int:
        async def ask() -> int:
            async with HTTP(tokens or Tokens(), pause_seconds=0.01) as http:
                question = Question(adql, **more)  # type: ignore[arg-type]
                with (answer := await TAP(http, tap.url, records, kept=kept).ask(question, seconds=20)).file:
                    return len(answer.votable.table)

        return asyncio.run(ask())

    return rows


def asked(tap: Behaviour) -> int:
    return len(tap.asked("POST", "/sync")) + len(tap.asked("POST", "/async"))


def public(rows: int = 3, *editions: str) -> bytes:
    told = [Info("EDITION", edition) for edition in editions]
    writer = Writer(Header([Field("id", "long")], [Info("QUERY_STATUS", "OK"), Info("ACCESS", "public"), *told]))
    return writer.start() + writer.rows([list(range(rows))]) + writer.end()


@pytest.mark.parametrize("background", [False, True])
def test_the_second_time_nobody_is_asked(rows: Rows, tap: Behaviour, background: bool) -> None:
    assert [rows(background=background), rows(background=background)] == [3, 3]
    assert asked(tap) == 1


@pytest.mark.parametrize(
    "more",
    [{"adql": f"{QUERY} "}, {"limit": 5}, {"uploads": {"a": b"x"}}, {"uploads": {"a": b"y"}}, {"uploads": {"b": b"y"}}],
    ids=["query", "limit", "upload", "content", "name"],
)
def test_another_query_limit_or_upload_is_asked(rows: Rows, tap: Behaviour, more: dict[str, object]) -> None:
    rows()
    rows(**more)
    assert asked(tap) == 2
    rows(**more)
    assert asked(tap) == 2


def test_another_release_makes_the_platform_be_asked(rows: Rows, tap: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    for number, standing in enumerate(("proprietary", "public"), 1):
        shown = [{"collection": "demo", "release": "dr1", "standing": standing}]
        (tmp_path / ".view.json").write_text(json.dumps({"releases": shown}))
        rows()
        rows()
        assert asked(tap) == number


def test_rows_of_a_table_that_was_made_anew_are_asked_for(rows: Rows, tap: Behaviour) -> None:
    tap.answer = lambda _: public(3, "demo.stars 1", "demo.other 1")
    tap.editions = {"demo.stars": "1", "demo.other": "1"}
    assert [rows(), rows(), asked(tap)] == [3, 3, 1]
    tap.answer = lambda _: public(5, "demo.stars 1", "demo.other 2")
    tap.editions["demo.other"] = "2"
    assert [rows(), rows(), asked(tap)] == [5, 5, 2]


def test_a_service_is_not_asked_for_the_editions_of_tables_without_number(rows: Rows, tap: Behaviour) -> None:
    tap.answer = lambda _: public(3, *(f"demo.t{number} 1" for number in range(33)))
    tap.editions = {f"demo.t{number}": "1" for number in range(33)}
    assert [rows(), rows(), asked(tap)] == [3, 3, 2]
    assert not any(seen.method == "HEAD" for seen in tap.seen)


def test_rows_of_a_table_that_is_no_longer_there_are_asked_for(rows: Rows, tap: Behaviour) -> None:
    tap.answer = lambda _: public(3, "demo.stars 1")
    tap.editions = {"demo.stars": "1"}
    rows()
    tap.editions = {}
    rows()
    assert asked(tap) == 2


def test_who_wants_it_fresh_gets_it_and_keeps_nothing(rows: Rows, tap: Behaviour, kept: Cache) -> None:
    rows(keep=False)
    rows(keep=False)
    assert asked(tap) == 2
    assert kept.folder
    assert not kept.folder.exists()


def test_what_somebody_signed_in_for_is_not_kept_unless_the_service_says_that_it_is_public(rows: Rows, tap: Behaviour) -> None:
    tokens = Tokens({tap.url: "secret"})
    for _ in range(2):
        rows(tokens=tokens)
    assert asked(tap) == 2
    tap.answer = lambda _: public()
    for _ in range(2):
        rows(tokens=tokens)
    assert asked(tap) == 3


def test_what_is_not_to_be_stored_is_not(rows: Rows, tap: Behaviour) -> None:
    tap.odd = lambda seen: Reply(body=numbers(), headers={"Cache-Control": "no-store"}) if "/sync" in seen.path else None
    rows()
    rows()
    assert asked(tap) == 2


@pytest.mark.parametrize("adql", ["SELECT RAND() FROM a", "SELECT * FROM TAP_SCHEMA.tables", "select * from ivoa.obscore"])
def test_what_changes_by_itself_is_not_kept(rows: Rows, tap: Behaviour, adql: str) -> None:
    rows(adql)
    rows(adql)
    assert asked(tap) == 2


def test_an_answer_that_was_cut_off_is_not_kept(rows: Rows, tap: Behaviour) -> None:
    tap.answer = lambda _: numbers(2, overflow=True)
    rows()
    rows()
    assert asked(tap) == 2


def test_a_damaged_or_old_file_is_asked_anew(rows: Rows, tap: Behaviour, kept: Cache) -> None:
    rows()
    assert kept.folder
    (file,) = kept.folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert rows() == 3
    assert asked(tap) == 2
    assert file.read_bytes() == whole
    os.utime(file, (time.time() - 90_000, time.time() - 90_000))
    assert rows() == 3
    assert asked(tap) == 3


def test_what_was_of_no_use_for_longest_goes_first_and_large_ones_are_not_kept(kept: Cache) -> None:
    small = Cache(kept.folder, most_bytes=1000)
    for number in range(4):
        small.put(f"k{number}", io.BytesIO(bytes(250)))
    held = small.get("k0")
    assert held
    with held:
        small.put("k4", io.BytesIO(bytes(250)))
        assert len(held.read()) == 250
    small.put("large", io.BytesIO(bytes(251)))
    assert small.folder
    assert sorted(place.stem for place in small.folder.iterdir()) == ["k0", "k2", "k3", "k4"]


def test_a_reader_sees_the_whole_answer_or_none(kept: Cache) -> None:
    answers = [bytes([number]) * 300_000 for number in range(8)]

    def write(body: bytes) -> None:
        for _ in range(10):
            kept.put("k", io.BytesIO(body))

    writers = [threading.Thread(target=write, args=(body,)) for body in answers]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if file := kept.get("k"):
            with file:
                seen.add(file.read())
    for writer in writers:
        writer.join()
    assert seen <= set(answers)
    assert kept.folder
    assert [place.name for place in kept.folder.iterdir()] == ["k.vot"]


def test_nobody_else_may_look_and_a_full_disk_stops_nothing(kept: Cache, tmp_path: Path) -> None:
    kept.put("k", io.BytesIO(b"x"))
    assert kept.folder
    assert kept.folder.stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    Cache(tmp_path / "file" / "answers").put("k", io.BytesIO(b"x"))
    assert Cache(None).get("k") is None


def test_the_place_is_the_persons_own() -> None:
    assert Cache.of({"HOME": "/home/me"}).folder == Path("/home/me/.cache/bowerbird/answers")
    assert Cache.of({"HOME": "/home/me", "XDG_CACHE_HOME": "/x"}).folder == Path("/x/bowerbird/answers")
    assert Cache.of({}).folder is None
    assert key("s", "q", {}, None) != key("t", "q", {}, None)
