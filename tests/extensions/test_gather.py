"""Many pieces of a file are copied in one call, and a file that shrinks meanwhile kills nobody."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from bowerbird import gather
from bowerbird.gather import Mapping
from bowerbird.scratch import Room, Scratch

PAGE = 4096


@pytest.fixture
def path(tmp_path) -> Path:
    made: Path = tmp_path / "file"
    made.write_bytes(np.random.default_rng(1).bytes(40 * PAGE + 7))
    return made


def copied(path: Path, starts: list[int], length: int) -> bytes | None:
    """Return pieces of a file, or None where not all are there."""
    with path.open("rb") as file, closing(Mapping(file.fileno())) as mapping, closing(Scratch()) as scratch:
        room = scratch.room(len(starts) * length)
        return bytes(room.view) if mapping.copy(np.array(starts), length, room) else None


@pytest.mark.parametrize("length", [1, 7, PAGE, 3 * PAGE + 1])
@pytest.mark.parametrize("count", [1, 5, 1024, 1025, 3000])
def test_pieces_are_those_of_the_file(path, length, count) -> None:
    content = path.read_bytes()
    starts = sorted(np.random.default_rng(count).integers(0, len(content) - length, count, endpoint=True).tolist())
    assert copied(path, starts, length) == b"".join(content[start : start + length] for start in starts)


def test_what_lies_behind_the_end_is_not_there(path) -> None:
    length = path.stat().st_size
    assert copied(path, [0, length - 10], 10) is not None
    assert copied(path, [0, length - 9], 10) is None


def test_an_empty_file_has_no_pieces(tmp_path) -> None:
    (tmp_path / "empty").touch()
    assert copied(tmp_path / "empty", [0], 1) is None


def test_without_the_call_nothing_is_copied(path, monkeypatch) -> None:
    monkeypatch.setattr(gather, "_copy", None)
    assert copied(path, [0], 10) is None


def test_a_kernel_that_refuses_the_call_copies_nothing(path, monkeypatch) -> None:
    monkeypatch.setattr(gather, "_copy", lambda *_: -1)
    assert copied(path, [0], 10) is None


def test_a_room_without_a_descriptor_takes_nothing(path) -> None:
    with path.open("rb") as file, closing(Mapping(file.fileno())) as mapping:
        assert not mapping.copy(np.array([0]), 10, Room.of(10))


# The test itself would be killed if this were wrong: another process tries it.
SHRINKS = """
import os, sys, numpy as np
from bowerbird.gather import Mapping
from bowerbird.scratch import Scratch
with open(sys.argv[1], "r+b") as file:
    mapping = Mapping(file.fileno())
    room = Scratch().room(20)
    assert mapping.copy(np.array([0, 100_000]), 10, room)
    os.truncate(sys.argv[1], 5000)
    print(mapping.copy(np.array([0, 100_000]), 10, room), mapping.copy(np.array([0, 2000]), 10, room))
"""


def test_a_file_that_shrinks_ends_the_copy_and_not_the_process(path) -> None:
    done = subprocess.run([sys.executable, "-c", SHRINKS, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["False", "True"]), done.stderr


def test_mappings_are_given_back(path) -> None:
    copied(path, [0], 10)
    assert str(path) not in Path("/proc/self/maps").read_text()
    assert not [one for one in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{one}") == str(path)]
