"""What is known of the memory that a container has left."""

from pathlib import Path

import pytest
from bowerbird_services.ingest.memory import is_short


@pytest.mark.parametrize(
    ("limit", "anonymous", "short"),
    [("1000", 800, False), ("1000", 840, False), ("1000", 851, True), ("max", 10**15, False), ("", 10**15, False)],
)
def test_little_is_left_when_it_is_nearly_at_its_limit(limit: str, anonymous: int, short: bool, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.stat").write_text(f"anon {anonymous}\nfile 99999\nshmem 0\n")
    assert is_short(tmp_path) is short


def test_where_the_node_tells_nothing_of_it_nothing_is_ended(tmp_path: Path) -> None:
    assert not is_short(tmp_path)
    (tmp_path / "memory.max").write_text("1000")
    assert not is_short(tmp_path)
    (tmp_path / "memory.stat").write_text("file 5\n")
    assert not is_short(tmp_path)
