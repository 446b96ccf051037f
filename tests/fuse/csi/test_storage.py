"""The mark of a storage: the first who asks makes it, and it is the same for all who share the storage."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bowerbird_fuse.csi.errors import Busy
from bowerbird_fuse.csi.storage import NAME, mark_of


def test_all_who_share_a_storage_read_one_mark_and_others_another(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared" / "leases", tmp_path / "own" / "leases"
    assert len(mark_of(shared)) == 32
    assert mark_of(shared) == mark_of(shared)
    assert mark_of(own) != mark_of(shared)
    assert (shared / NAME).stat().st_mode & 0o077 == 0


def test_those_who_ask_at_once_agree(tmp_path: Path) -> None:
    def ask(_number: int) -> str:
        while True:
            try:
                return mark_of(tmp_path)
            except Busy:
                continue

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(64)))) == 1


def test_a_mark_that_is_being_written_is_asked_for_again(tmp_path: Path) -> None:
    fd = os.open(tmp_path / NAME, os.O_CREAT | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Busy):
        mark_of(tmp_path)
    # Its writer has died.
    os.close(fd)
    assert mark_of(tmp_path) == mark_of(tmp_path)
