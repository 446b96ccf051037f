"""The meter of a space: slots in shared memory, and what they sum up to."""

import os
from collections.abc import Iterator

import pytest
from bowerbird_fuse.meter import SLOTS, Meter, Word, open_memory


@pytest.fixture
def memory() -> Iterator[int]:
    fd = open_memory()
    yield fd
    os.close(fd)


def two_views(memory: int) -> tuple[Meter, Meter, Meter]:
    keeper = Meter(memory)
    keeper.widen(2)
    return keeper, Meter(memory, 1), Meter(memory, 2)


def test_sum_is_what_all_views_took_and_gave_back(memory: int) -> None:
    keeper, ann, bob = two_views(memory)
    keeper.add(1000, trash=200)
    ann.add(50)
    bob.add(-30, trash=-10, held=5)
    assert [view.used for view in (keeper, ann, bob)] == [1020] * 3
    assert keeper.wanted == 1020 - 190
    assert (keeper.total(Word.HELD), keeper.total(Word.MOVED)) == (5, 1200 + 50 + 40)
    assert (ann.own(Word.USED), bob.own(Word.USED)) == (50, -30)
    bob.clear(Word.USED)
    assert keeper.used == 1050


def test_nothing_is_less_than_nothing(memory: int) -> None:
    keeper, ann, _ = two_views(memory)
    ann.add(-5, trash=-9)
    assert (keeper.used, keeper.wanted) == (0, 0)


def test_size_is_sealed_against_everybody(memory: int) -> None:
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(memory, size)


def test_memory_that_could_be_cut_is_no_meter(memory: int) -> None:
    plain = os.memfd_create("meter", os.MFD_CLOEXEC)
    os.ftruncate(plain, os.fstat(memory).st_size)
    with pytest.raises(ValueError, match="not sealed"):
        Meter(plain)
    os.close(plain)


def test_whatever_a_hostile_worker_writes_counting_goes_on(memory: int) -> None:
    keeper, ann, _ = two_views(memory)
    os.pwrite(memory, b"\x7f" + b"\xff" * 7, 0)
    for bytes_ in (b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x00" * 7 + b"\x80"):
        os.pwrite(memory, bytes_ * SLOTS * len(Word), 0)
        ann.add(10, trash=10, held=10)
        ann.add(-10)
        assert keeper.used >= 0
        assert keeper.wanted >= 0
