"""Many pieces of a file by one call: the same bytes as one by one, and never half of them."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from bowerbird import pixels, reads_at_once
from bowerbird.errors import NotCuttable

_BYTES = 50_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "rows"
    made.write_bytes(np.random.default_rng(4).bytes(_BYTES))
    return made


def ranges(teeth: int, first: int = 1234, pitch: int = 40_000) -> pixels.Ranges:
    return pixels.Ranges(np.array([first]), 700, pitch, teeth)


@pytest.mark.parametrize("teeth", [1, 255, 256, 257, 1000])
def test_pieces_are_those_that_are_read_one_by_one(file: Path, teeth: int) -> None:
    asked = ranges(teeth)
    expected, found = bytearray(700 * teeth), bytearray(700 * teeth)
    with file.open("rb") as opened:
        pixels.read(opened.fileno(), asked, memoryview(expected))
        pixels.read_beside_others(opened.fileno(), asked, memoryview(found))
    assert found == expected


def test_each_thread_gets_its_own(file: Path) -> None:
    content, wrong = file.read_bytes(), []

    def look(number: int) -> None:
        with file.open("rb") as opened:
            for turn in range(50):
                asked = ranges(200, first=number * 1000 + turn)
                found = bytearray(700 * 200)
                pixels.read_beside_others(opened.fileno(), asked, memoryview(found))
                if found != b"".join(content[start : start + 700] for start in asked.starts):
                    wrong.append((number, turn))

    looking = [threading.Thread(target=look, args=(number,)) for number in range(6)]
    for one in looking:
        one.start()
    for one in looking:
        one.join()
    assert not wrong


def test_a_file_that_ends_too_early_is_told_of(file: Path) -> None:
    asked = ranges(1249)
    with file.open("rb+") as opened:
        os.ftruncate(opened.fileno(), _BYTES // 2)
        assert not reads_at_once.read(opened.fileno(), asked.begins, 700, memoryview(bytearray(700 * 1249)))
        with pytest.raises(NotCuttable, match="shorter"):
            pixels.read_beside_others(opened.fileno(), asked, memoryview(bytearray(700 * 1249)))


def test_a_kernel_that_takes_no_such_orders_is_asked_one_by_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads_at_once, "_CALLS", {})
    monkeypatch.setattr(reads_at_once, "_mine", threading.local())
    asked = ranges(300)
    found = bytearray(700 * 300)
    with file.open("rb") as opened:
        assert not reads_at_once.read(opened.fileno(), asked.begins, 700, memoryview(found))
        pixels.read_beside_others(opened.fileno(), asked, memoryview(found))
    content = file.read_bytes()
    assert found == b"".join(content[start : start + 700] for start in asked.starts)


def test_a_child_takes_a_place_of_its_own(file: Path) -> None:
    asked = ranges(300)
    with file.open("rb") as opened:
        pixels.read_beside_others(opened.fileno(), asked, memoryview(bytearray(700 * 300)))
        child = os.fork()
        if not child:
            found = bytearray(700 * 300)
            good = False
            try:
                pixels.read_beside_others(opened.fileno(), asked, memoryview(found))
                content = os.pread(opened.fileno(), _BYTES, 0)
                good = found == b"".join(content[start : start + 700] for start in asked.starts)
            finally:
                os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_gives_its_place_back(file: Path) -> None:
    def held() -> int:
        return Path("/proc/self/maps").read_text(encoding="utf-8").count("[aio]")

    def look() -> None:
        with file.open("rb") as opened:
            pixels.read_beside_others(opened.fileno(), ranges(300), memoryview(bytearray(700 * 300)))

    look()
    before = held()
    for _ in range(5):
        one = threading.Thread(target=look)
        one.start()
        one.join()
    assert held() == before
