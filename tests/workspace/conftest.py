"""Copies of this checkout without anything installed, in a folder with a space in its name."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".bowerbird", ".git", "var", "tests", "__pycache__", "*_cache", "uv.lock")


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A copy of the checkout in which nothing is installed."""
    copy = tmp_path / "a checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copy
