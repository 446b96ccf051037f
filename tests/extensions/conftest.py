"""Views of `/data` for the tests: of one who may read everything, and of one of another team."""

from pathlib import Path

import pytest

from tests.extensions.views import make_view


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The view of a member of the team that owns the proprietary release."""
    root = make_view(tmp_path / "data")
    monkeypatch.setenv("BOWERBIRD_DATA", str(root))
    return root


@pytest.fixture
def other_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The view of somebody of another team, to whom that release is announced."""
    root = make_view(tmp_path / "data", member=False)
    monkeypatch.setenv("BOWERBIRD_DATA", str(root))
    return root
