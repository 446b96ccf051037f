"""What is mounted where, and how it is taken away, on a machine whose file systems share their mounts, as systemd and kubelet let them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_fuse import mount

pytestmark = pytest.mark.root


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory below which a mount is seen twice: it is shared with the file system that it is part of."""
    top = tmp_path / "top"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tests", top], check=True)
    subprocess.run(["mount", "--make-shared", top], check=True)
    views = top / "views"
    views.joinpath("ann").mkdir(parents=True)
    mount.share(views)
    yield views
    mount.detach_below(top)
    assert not any(point.path.is_relative_to(tmp_path) for point in mount.mount_points())


def test_a_mount_that_its_peers_have_too_is_taken_away_whole(shared: Path) -> None:
    mount.memory(shared / "ann", 1 << 20)
    assert len(mount.mounted(shared / "ann")) == 2
    mount.detach_all(shared / "ann")
    assert mount.mounted(shared / "ann") == []


def test_stacked_mounts_that_peers_have_too_are_taken_away_with_what_is_below(shared: Path) -> None:
    for _ in range(2):
        mount.memory(shared / "ann", 1 << 20)
    mount.detach_below(shared)
    assert not any(point.path.is_relative_to(shared) for point in mount.mount_points())


def test_where_nothing_is_mounted_nothing_is_taken_away(tmp_path: Path) -> None:
    mount.detach_all(tmp_path)
    mount.detach_below(tmp_path)
