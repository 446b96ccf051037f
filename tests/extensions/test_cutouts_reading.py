"""How many cutouts read their images: ahead, in bounded memory, and never two states of a file at once."""

import errno
import os
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path

import bowerbird
import pytest
from bowerbird.batch import Made, Pace, Wish, cut_all
from bowerbird.cut import Cuts
from bowerbird.kept import forget
from bowerbird.regions import regions
from bowerbird.sky import Sky

from tests.extensions.skies import PIXEL, SCALE, SIDE, Mosaic, around


def wide(tmp_path) -> Path:
    """An image whose rows lie so far apart that they are gathered one by one."""
    return Mosaic(shape=(60, 9000)).write(tmp_path / "wide.fits")


def cut_then(path: Path, count: int, done: int, act: Callable[[], object]) -> list[Made]:
    """Cut so many with nothing ahead, and act when some are done."""
    wanted = regions(around((150.0, 2.0), count, 15 * SCALE), SIDE)
    made = []
    for one in cut_all(wanted, [path] * count, Wish(pace=Pace(ahead=1))):
        made.append(one)
        if len(made) == done:
            act()
    return made


@pytest.mark.parametrize("change", ["shorter", "rewritten"])
def test_a_file_that_changes_while_it_is_cut_gives_no_more_pixels(tmp_path, change) -> None:
    path = wide(tmp_path)

    def meddle() -> None:
        if change == "shorter":
            os.truncate(path, 20_000)
        else:
            with path.open("r+b") as file:
                file.seek(20_000)
                file.write(bytes(50_000))
            os.utime(path, ns=(1, 1))

    made = cut_then(path, 20, 5, meddle)
    assert len(made) == 20
    assert sum(bool(one.parts) for one in made) == 5
    reasons = {one.reason for one in made if one.reason}
    assert all("became shorter" in reason or "was changed while it was cut" in reason for reason in reasons)
    assert len(reasons) >= 1


def test_a_file_that_is_replaced_while_it_is_cut_gives_the_pixels_of_the_first(tmp_path) -> None:
    path = wide(tmp_path)
    places = around((150.0, 2.0), 9, 15 * SCALE)
    expected = [cut.content() for cut in bowerbird.cutouts(places, SIDE, path)["cutout"]]
    made = cut_then(path, 9, 4, lambda: Mosaic(shape=(60, 9000), dtype=">i2").write(tmp_path / "new.fits").replace(path))
    assert [b"".join(one.parts) for one in sorted(made, key=lambda one: one.row)] == expected


def test_rows_far_apart_are_gathered_as_they_are_read_one_by_one(tmp_path) -> None:
    path = wide(tmp_path)
    places = around((150.0, 2.0), 9, 15 * SCALE)
    made = bowerbird.cutouts(places, SIDE, path)
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.content() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)


def test_a_cold_file_is_asked_for_before_it_is_read(tmp_path, monkeypatch) -> None:
    path = wide(tmp_path)
    asked: list[int] = []
    advise, preadv = os.posix_fadvise, os.preadv

    def nothing_in_memory(descriptor, buffers, start, flags=0):
        if flags & os.RWF_NOWAIT:
            raise BlockingIOError(errno.EAGAIN, "not in memory")
        return preadv(descriptor, buffers, start, flags)

    def watch(descriptor, start, length, advice):
        if advice == os.POSIX_FADV_WILLNEED:
            asked.append(start)
        advise(descriptor, start, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", watch)
    monkeypatch.setattr(os, "preadv", nothing_in_memory)
    made = bowerbird.cutouts([(150.0, 2.0)], SIDE, path)
    assert len(asked) == made["cutout"][0].data.shape[0]
    asked.clear()
    again = bowerbird.cutouts(around((150.0, 2.0), 400, 15 * SCALE), SIDE, path)
    assert not any(again["reason"])
    assert 0 < len(asked) <= 400, "where pieces lie close, all between them is asked for, once"


def test_descriptors_and_maps_are_given_back(path) -> None:
    bowerbird.cutouts([(150.0, 2.0)], SIDE, path)
    forget()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        bowerbird.cutouts([(150.0, 2.0), (10.0, 2.0)], SIDE, path)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_more_than_memory_should_hold_is_refused(path) -> None:
    cuts, made = Cuts(30, most_bytes=20_000), cut_all(regions(around((150.0, 2.0), 30), SIDE), [path] * 30, Wish())
    with pytest.raises(bowerbird.CutoutError, match="give a folder"):
        deque(map(cuts.take, made), maxlen=0)


def test_memory_is_bounded_whatever_the_number(tmp_path) -> None:
    path = Mosaic(shape=(700, 900), dtype=">f8").write(tmp_path / "large.fits")
    wanted = regions(around((150.0, 2.0), 150), 700 * PIXEL)
    tracemalloc.start()
    try:
        made = sum(sum(map(len, one.parts)) for one in cut_all(wanted, [path] * 150, Wish()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made > 300_000_000
    assert peak < 40_000_000


def test_the_first_come_before_all_are_planned_and_an_interrupt_then_keeps_them(path, tmp_path, monkeypatch) -> None:
    count = 4 * Pace().planned
    planned: list[int] = []
    boxes = Sky.boxes

    def watch(sky, squares):
        planned.append(len(squares.longitude))
        return boxes(sky, squares)

    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Sky, "boxes", watch)
    with pytest.raises(KeyboardInterrupt):
        bowerbird.cutouts(around((150.0, 2.0), count), SIDE, path, folder=tmp_path / "made", progress=stop)
    assert sum(planned) < count / 2
    kept = os.listdir(tmp_path / "made")
    assert 2 <= len(kept) < count / 2
    assert not any(name.endswith(".part") for name in kept)
    assert not any(bowerbird.cutouts(around((150.0, 2.0), count), SIDE, path, folder=tmp_path / "made")["reason"])


def test_pieces_of_the_plan_make_what_each_alone_makes(path) -> None:
    places = around((150.0, 2.0), 2 * Pace().planned + 7)
    made = bowerbird.cutouts(places, SIDE, path)
    assert not any(made["reason"])
    for row in range(0, len(places), 23):
        assert made["cutout"][row].content() == bowerbird.cutout(path, tuple(places[row]), SIDE, as_bytes=True)
