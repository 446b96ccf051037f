"""The bench says what it measured, and fails only when it could not measure."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as command
from tests.bench.row import Row, paired

SLOWER = Row.against("P1", "a thing", [2.0, 4.0, 3.0], [30.0, 10.0, 20.0], peer_name="a peer", unit="s", goal=5, better="higher")
ALONE = Row.alone("memory", "all of it", [350.0], unit="MiB", goal=340, better="lower")


def test_a_cost_that_is_compared_upwards_is_how_many_times_cheaper() -> None:
    assert (SLOWER.ours, SLOWER.peer, SLOWER.rounds) == (3.0, 20.0, 3)
    assert SLOWER.ratio == pytest.approx(20 / 3)
    assert SLOWER.met


def test_a_cost_that_is_compared_downwards_is_how_many_times_dearer() -> None:
    row = Row.against("P13", "start", [1.3], [1.0], peer_name="bare", unit="s", goal=1.15, better="lower")
    assert row.ratio == pytest.approx(1.3)
    assert not row.met


def test_a_rate_is_compared_as_it_is() -> None:
    row = Row.against("P7", "cuts", [30.0], [10.0], peer_name="a peer", unit="cut/s", goal=3, better="higher")
    assert row.ratio == pytest.approx(3.0)
    assert row.met


def test_a_number_alone_is_held_against_its_goal() -> None:
    assert (ALONE.met, ALONE.ratio, ALONE.peer) == (False, None, None)


def test_both_are_measured_in_every_round_and_take_turns() -> None:
    calls: list[str] = []

    def measure(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    mine, theirs = paired(3, lambda: measure("ours"), lambda: measure("peer"))
    assert calls == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert (mine, theirs) == ([1, 4, 5], [2, 3, 6])


def test_the_table_is_aligned_and_says_what_was_not_met() -> None:
    header, first, second = command.table([SLOWER, ALONE]).splitlines()
    assert header.index("met") == first.index("yes") == second.index("NO")
    assert "a thing, to a peer" in first
    assert "≥ 5" in first
    assert "≤ 340" in second


def test_curves_are_drawn_where_a_group_has_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curves = SimpleNamespace(rows=None, draw=lambda path, rounds: path.write_text(f"{rounds} rounds"))
    words = ["fuse", "--picture", str(tmp_path / "curves.svg"), "--rounds", "5"]
    assert command.main(words, find=lambda name: curves) == 0
    assert (tmp_path / "curves.svg").read_text() == "5 rounds"
    assert command.main(words, find=lambda name: SimpleNamespace(rows=None)) == 2
    assert "no curves" in capsys.readouterr().err


def test_peers_that_must_be_installed_are_measured_only_when_asked_for() -> None:
    group = SimpleNamespace(rows=lambda rounds: [SLOWER], peer_rows=lambda rounds: [ALONE])
    assert list(command.measure(group, 5, peers=False)) == [SLOWER]
    assert list(command.measure(group, 5, peers=True)) == [SLOWER, ALONE]


def test_a_part_of_a_group_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[object] = []

    def more(rounds: int, parts: object) -> list[Row]:
        asked.append(parts)
        return [ALONE]

    group = SimpleNamespace(PARTS=("one", "other", "third"), rows=lambda rounds: [SLOWER], peer_rows=more)
    assert command.main(["import", "--part", "other", "--part", "one"], lambda name: group) == 0
    assert asked == [["other", "one"]]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["id", "memory"]
    assert command.main(["import", "--part", "fourth"], lambda name: group) == 2
    assert "import has no part fourth" in capsys.readouterr().err


def test_what_was_measured_before_a_failure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def more(_rounds: int) -> Iterator[Row]:
        yield ALONE
        raise RuntimeError("no disk")

    group = SimpleNamespace(rows=lambda rounds: [SLOWER], peer_rows=more)
    assert command.main(["import", "--peers", "--rounds", "5"], lambda name: group) == 2
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["id", "P1", "memory"]


@pytest.mark.parametrize(("failing", "code"), [(False, 0), (True, 2)])
def test_what_could_not_be_measured_is_an_error_and_what_was_not_met_is_none(tmp_path, capsys, failing, code) -> None:
    def rows(rounds: int) -> list[Row]:
        if failing:
            raise RuntimeError("no disk")
        return [ALONE]

    arguments = ["import", "--json", str(tmp_path / "rows.json"), "--rounds", "5"]
    assert command.main(arguments, lambda name: SimpleNamespace(rows=rows)) == code
    written = json.loads((tmp_path / "rows.json").read_text())
    assert set(written) == {"machine", "rows"}
    assert [row["id"] for row in written["rows"]] == ([] if failing else ["memory"])
    fields = {"id", "what", "ours", "peer", "peer_name", "unit", "ratio", "goal", "better", "met", "rounds"}
    assert all(set(row) == fields for row in written["rows"])
    assert ("could not be measured" in capsys.readouterr().err) == failing


@pytest.mark.parametrize(("arguments", "says"), [(["no-such-group"], "cutout"), (["import", "--rounds", "4"], "at least 5 rounds")])
def test_a_wrong_question_is_refused(arguments, says, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_every_group_is_found() -> None:
    assert {"cutout", "fuse", "hub", "import"} <= set(command.groups())
    assert not any(name.startswith("test_") for name in command.groups())
