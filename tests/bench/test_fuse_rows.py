"""The rows of the file system: what is promised of each, and a client that sees what is there."""

import subprocess
from pathlib import Path

import pytest

from tests.bench import fuse_curves
from tests.bench.curves import Panel, drawn
from tests.bench.file_servers import build_client, in_turns
from tests.bench.fuse_rows import HOME, OF_BINDFS, OF_NATIVE, RELEASE, Figures, _beside


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_client(tmp_path_factory.mktemp("client"))


def seen(client: Path, *words: str) -> tuple[int, int]:
    said = subprocess.run([str(client), *words], check=True, capture_output=True, text=True).stdout.split()
    return int(said[1]), int(said[2])


@pytest.mark.parametrize(("work", "operations"), [("ls", 3), ("names", 3), ("stat", 3), ("small", 3), ("create", 3)])
def test_client_counts_what_it_did(client: Path, tmp_path: Path, work: str, operations: int) -> None:
    if work != "create":
        for number in range(3):
            (tmp_path / f"{number:06}").write_bytes(b"x" * 8192)
    assert seen(client, work, str(tmp_path), "3", "0", "1")[0] == operations
    assert len(list(tmp_path.iterdir())) == (0 if work == "create" else 3)


@pytest.mark.parametrize("words", [("sequential", "0", "0"), ("random", "100", "4096")])
def test_client_tells_other_bytes(client: Path, tmp_path: Path, words: tuple[str, str, str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 65536)
    before = seen(client, words[0], str(path), *words[1:], "1")
    assert seen(client, words[0], str(path), *words[1:], "1") == before
    path.write_bytes(b"y" * 65536)
    assert seen(client, words[0], str(path), *words[1:], "1") != before


def test_client_says_what_it_could_not_do(client: Path, tmp_path: Path) -> None:
    done = subprocess.run([str(client), "sequential", str(tmp_path / "none"), "0", "0", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none: No such file" in done.stderr


def test_each_server_is_first_in_its_turn() -> None:
    assert [in_turns(number, ["a", "b", "c"])[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_each_row_is_promised_something_beside_a_peer() -> None:
    figures = Figures()
    for place, works in (("release", RELEASE), ("home", HOME)):
        for work in works:
            for name in work.passes:
                figures.times[place, f"{work.what}, {name}"] = [1.0]
    made = [*_beside(figures, figures, "", OF_NATIVE), *_beside(figures, figures, "", OF_BINDFS)]
    assert {row.what for row in made} == {f"{place}: {what}" for place, what in figures.times}
    assert {row.id for row in made} == {"P1", "P2", "P3", "P4"}


def test_curves_are_drawn_as_they_grow() -> None:
    curves = {name: [1.0, 10.0, 100.0] for name in fuse_curves._COLOURS}
    picture = drawn([Panel("a title", "entries", (1, 10, 100), curves)], fuse_curves._COLOURS)
    assert picture.count('<polyline points="0.0,200.0 150.0,100.0 300.0,0.0"') == 3
    assert picture.count("<svg") == picture.count("</svg>") == 1
