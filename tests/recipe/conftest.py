"""The demo releases: tiny ones made of bytes of our own, and the real ones where their packages are unpacked."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "config/default/recipe/build.py"
DOWNLOADS = Path(os.environ.get("BOWERBIRD_DEMO_DATA") or ROOT / ".bowerbird/demo-data")
TINY = b"a tiny original\n" * 1000


def run_build(releases: Path, downloads: Path = DOWNLOADS) -> subprocess.CompletedProcess[str]:
    """Build the real demo releases as `up` does."""
    argv = [sys.executable, str(BUILD), "--releases", str(releases), "--downloads", str(downloads)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)


def digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="session")
def downloads() -> Path:
    if not DOWNLOADS.is_dir():
        pytest.skip("needs the packages with the data: ./bowerbird up unpacks them into .bowerbird/demo-data")
    return DOWNLOADS


@pytest.fixture(scope="session")
def built(downloads: Path) -> Iterator[Path]:
    """All demo releases, built once for the session."""
    with tempfile.TemporaryDirectory(prefix="bowerbird-releases-") as folder:
        done = run_build(Path(folder) / "releases")
        assert done.returncode == 0, done.stderr
        yield Path(folder) / "releases"


@pytest.fixture
def tiny_original() -> Original:
    return Original("tiny", "1.0", "tiny/data.bin", len(TINY), hashlib.sha256(TINY).hexdigest())


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    """Downloads that hold the tiny original."""
    folder = tmp_path / "downloads/tiny/tiny"
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(TINY)
    return Stock(tmp_path / "downloads")


@pytest.fixture
def tiny(tiny_original: Original) -> Release:
    """A release of a copy and of what is derived from it."""

    def derive(stock: Stock, path: Path) -> None:
        path.write_bytes(stock.path(tiny_original).read_bytes()[::-1])

    credit = Credit("data.bin (original)", "our own", "public domain", "nobody")
    return Release(
        "tiny", "dr1", "Tiny", (tiny_original,), (copy(tiny_original), Product("derived.bin", derive, tiny_original.size)), (credit,)
    )
