"""STIL, through the stilts command: another reader and writer of VOTables, and a validator."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_stilts = pytest.mark.skipif(shutil.which("stilts") is None, reason="needs stilts")
_SECONDS = 100


def stilts(*arguments: str) -> str:
    """Run a task and return what it says."""
    done = subprocess.run(["stilts", *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def lint(path: Path) -> list[str]:
    """Return what votlint finds: it ends with 0 in any case, and says nothing of a clean document."""
    return [line for line in stilts("votlint", f"votable={path}", "ucd=true", "unit=true").splitlines() if line.strip()]


def rewrite(source: Path, target: Path, format: str) -> None:
    """Let STIL read a document and write it."""
    stilts("tcopy", "ifmt=votable", f"ofmt=votable(format={format})", str(source), str(target))
