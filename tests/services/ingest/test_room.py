"""The room of a disk for what is made of the releases."""

import errno
import shutil
from pathlib import Path

import pytest
from bowerbird_config.room import RESERVE_BYTES
from bowerbird_services.ingest import room
from bowerbird_services.ingest.room import NoRoom


def test_nothing_may_take_of_the_reserve(tmp_path: Path) -> None:
    room.check(tmp_path)
    with pytest.raises(NoRoom, match=f"^the disk of {tmp_path} has no more room than the 128 MiB that are kept free; make room there$"):
        room.check(tmp_path, shutil.disk_usage(tmp_path).total - RESERVE_BYTES + 1)


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "kept free"), (errno.EDQUOT, "the quota .* is used up; make room there")])
def test_the_systems_own_word_for_a_full_disk_is_the_same_sentence_and_a_quota_has_its_own(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(NoRoom, match=words), room.told(tmp_path):
        raise OSError(code, "no room")


def test_another_error_of_the_system_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), room.told(tmp_path):
        raise OSError(errno.EIO, "broken")
