"""A folder is replaced whole, and what runs from the old one keeps it until it ends."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.folders import in_use, remove_left, replace_folder

SECONDS = 20


def folder(path: Path, name: str) -> Path:
    path.mkdir()
    (path / name).write_text(name)
    return path


def listing(path: Path) -> list[str]:
    return sorted(found.relative_to(path).as_posix() for found in path.rglob("*"))


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    """Keep a command running that says when it is there, until its input ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate(timeout=SECONDS)


def wait_until_in_use(place: Path) -> None:
    """Wait for the program that a shell becomes just after it spoke."""
    deadline = time.monotonic() + SECONDS
    while not in_use(place):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_folder_is_replaced_whole(tmp_path):
    replace_folder(folder(tmp_path / "a place", "before"), folder(tmp_path / "new", "after"))
    assert listing(tmp_path) == ["a place", "a place/after"]


def test_a_folder_is_put_where_none_was(tmp_path):
    replace_folder(tmp_path / "deep/place", folder(tmp_path / "new", "after"))
    assert listing(tmp_path) == ["deep", "deep/place", "deep/place/after"]


@pytest.mark.parametrize("name", ["place", "a place"])
def test_what_runs_from_the_old_folder_keeps_it_until_it_ends(tmp_path, name):
    place = folder(tmp_path / name, "before")
    program = Path(shutil.copy("/bin/cat", place / "cat"))
    with running("sh", "-c", 'echo there; exec "$1"', "sh", program):
        wait_until_in_use(place)
        replace_folder(place, folder(tmp_path / "new", "after"))
        assert f".{name}.old.0/cat" in listing(tmp_path)
    remove_left(place)
    assert listing(tmp_path) == [name, f"{name}/after"]


@pytest.mark.root
@pytest.mark.parametrize("name", ["place", "a place"])
def test_a_sandbox_keeps_the_folder_that_is_mounted_in_it(tmp_path, name):
    place = folder(tmp_path / name, "before")
    (tmp_path / "inside").mkdir()
    script = 'mount --bind "$1" "$2" && echo there && exec cat'
    with running("unshare", "--mount", "sh", "-c", script, "sh", place, tmp_path / "inside"):
        replace_folder(place, folder(tmp_path / "new", "after"))
        assert f".{name}.old.0/before" in listing(tmp_path)
    remove_left(place)
    assert listing(tmp_path) == sorted(["inside", name, f"{name}/after"])
