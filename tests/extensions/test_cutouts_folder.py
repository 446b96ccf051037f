"""Cutouts that are written into a folder: whole, found again, under names that are safe."""

import errno
import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import bowerbird
import pytest
from astropy.io import fits
from astropy.table import Table
from bowerbird.errors import NotWritten
from bowerbird.folder import Folder

from tests.extensions.skies import SIDE, around


def test_a_name_that_is_too_long_is_told_shortened(path, tmp_path) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names=["x" * 220, "x" * 221])
    assert [cut is not None for cut in made["cutout"]] == [True, False]
    assert made["reason"].tolist() == ["", f"'{'x' * 20}…' is no name for a file: it is too long; take one of 220 bytes at most"]


def test_files_are_written_whole_and_found_again(path, tmp_path) -> None:
    places = around((150.0, 2.0), 4)
    there = tmp_path / "made" / "here"
    made = bowerbird.cutouts(places, SIDE, path, folder=there)
    assert sorted(os.listdir(there)) == [f"{row:06d}.fits" for row in range(4)]
    assert made["file"].tolist() == [str(there / f"{row:06d}.fits") for row in range(4)]
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.file.read_bytes() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)
    before = {file: file.stat().st_ino for file in there.iterdir()}
    calls: list[tuple[int, int]] = []
    again = bowerbird.cutouts(places, SIDE, path, folder=there, progress=lambda done, of: calls.append((done, of)))
    assert {file: file.stat().st_ino for file in there.iterdir()} == before, "what was written and whole is not cut again"
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert again["file"].tolist() == made["file"].tolist()


def test_a_folder_is_looked_through_once_and_what_comes_meanwhile_is_replaced_by_the_same(path, tmp_path) -> None:
    places = around((150.0, 2.0), 3)
    one, other = tmp_path / "one", tmp_path / "other"
    bowerbird.cutouts(places, SIDE, path, folder=one)

    def bring(done: int, _of: int) -> None:
        for name in {file.name for file in one.iterdir()} - set(os.listdir(other)) if done == 1 else ():
            (other / name).write_bytes(b"torn")

    made = bowerbird.cutouts(places, SIDE, path, folder=other, progress=bring)
    assert not any(made["reason"])
    assert all(file.read_bytes() == (one / file.name).read_bytes() for file in other.iterdir())


def test_only_what_is_missing_torn_or_of_other_pixels_is_cut_again(path, tmp_path) -> None:
    places = around((150.0, 2.0), 5)
    files = [Path(file) for file in bowerbird.cutouts(places, SIDE, path, folder=tmp_path / "made")["file"]]
    wanted = [file.read_bytes() for file in files]
    nodes = [file.stat().st_ino for file in files]
    files[0].unlink()
    files[1].write_bytes(wanted[1][:-1])
    files[2].write_bytes(wanted[3])
    bowerbird.cutouts(places, SIDE, path, folder=tmp_path / "made")
    assert [file.read_bytes() for file in files] == wanted
    assert [file.stat().st_ino for file in files][3:] == nodes[3:]
    bowerbird.cutouts(places, 2 * SIDE, path, folder=tmp_path / "made")
    assert all(len(file.read_bytes()) >= len(one) and file.read_bytes() != one for file, one in zip(files, wanted, strict=True))


def test_an_image_that_was_made_anew_is_cut_anew(path, tmp_path) -> None:
    (file,) = bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")["file"]
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 1
    os.utime(path, ns=(Path(file).stat().st_mtime_ns + 1,) * 2)
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")
    assert Path(file).read_bytes() == bowerbird.cutout(path, (150.0, 2.0), SIDE, as_bytes=True)


def test_an_image_in_the_place_of_a_younger_one_is_cut_anew(path, tmp_path) -> None:
    (file,) = bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")["file"]
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 1
    os.utime(path, (1, 1))
    # The clock of a disk moves on by some milliseconds at a time.
    os.utime(file, ns=(path.stat().st_ctime_ns - 1,) * 2)
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path, folder=tmp_path / "made")
    assert Path(file).read_bytes() == bowerbird.cutout(path, (150.0, 2.0), SIDE, as_bytes=True)


NO_NAMES = ["../away", "/tmp/x", "", ".x", "a" * 300]


@pytest.mark.parametrize(("name", "says"), [*((name, "no name") for name in NO_NAMES), ("one", "already")])
def test_a_name_that_is_none_is_a_reason(path, tmp_path, name, says) -> None:
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names=["one", name])
    assert made["reason"][0] == ""
    assert says in made["reason"][1]
    assert os.listdir(tmp_path / "made") == ["one.fits"]


def test_names_are_a_column(path, tmp_path) -> None:
    table = Table({"ra": [150.0, 150.0], "dec": [2.0, 2.001], "id": ["a", "b.fits"]})
    bowerbird.cutouts(table, SIDE, path, folder=tmp_path / "made", names="id")
    assert sorted(os.listdir(tmp_path / "made")) == ["a.fits", "b.fits"]


def test_names_that_are_no_column_are_an_error(path, tmp_path) -> None:
    with pytest.raises(ValueError, match="names is 'id'; give one for each position"):
        bowerbird.cutouts([(150.0, 2.0)] * 2, SIDE, path, folder=tmp_path / "made", names="id")


def test_a_full_disk_ends_the_call_and_nothing_torn_is_left(path, tmp_path, monkeypatch) -> None:
    writev, calls = os.writev, iter(range(100))

    def full(descriptor, parts):
        if next(calls) < 2:
            return writev(descriptor, parts)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(OSError, match=r"no room for more cutouts.*the same call goes on"):
        bowerbird.cutouts(around((150.0, 2.0), 5), SIDE, path, folder=tmp_path / "made")
    monkeypatch.undo()
    assert len(os.listdir(tmp_path / "made")) == 2
    made = bowerbird.cutouts(around((150.0, 2.0), 5), SIDE, path, folder=tmp_path / "made")
    assert not any(made["reason"])
    assert sorted(os.listdir(tmp_path / "made")) == [f"{row:06d}.fits" for row in range(5)]


def test_a_folder_that_is_removed_before_it_is_opened_is_told(tmp_path) -> None:
    with pytest.raises(NotWritten, match=r"^the folder for it is not there; make it, or name another: '/.*/made'$"):
        Folder(tmp_path / "made")


def test_a_folder_that_may_not_be_listed_is_told() -> None:
    user = os.geteuid()
    with TemporaryDirectory() as shut:
        os.chmod(shut, 0o300)
        if user == 0:  # whom nothing is shut
            os.seteuid(65_534)
        try:
            with pytest.raises(NotWritten, match=r"^you may not list what that folder has; give yourself the right to read it, or "):
                Folder(Path(shut))
        finally:
            os.seteuid(user)
            os.chmod(shut, 0o700)


def test_an_interrupt_leaves_whole_files_and_the_next_call_goes_on(path, tmp_path) -> None:
    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bowerbird.cutouts(around((150.0, 2.0), 6), SIDE, path, folder=tmp_path / "made", progress=stop)
    assert len(os.listdir(tmp_path / "made")) <= 3
    assert not any(name.endswith(".part") for name in os.listdir(tmp_path / "made"))
    assert not any(bowerbird.cutouts(around((150.0, 2.0), 6), SIDE, path, folder=tmp_path / "made")["reason"])


def test_two_threads_cut_into_one_folder(path, tmp_path) -> None:
    places = around((150.0, 2.0), 30)
    threads = [
        threading.Thread(target=bowerbird.cutouts, args=(places, SIDE, path), kwargs={"folder": tmp_path / "made"}) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, place in enumerate(places):
        assert (tmp_path / f"made/{row:06d}.fits").read_bytes() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)
