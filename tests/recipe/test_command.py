"""The command: progress, exit codes, and a sentence for whatever goes wrong."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipe.conftest import BUILD, digests, run_build


def test_progress_counts_the_releases(built: Path) -> None:
    done = run_build(built)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "releases: 1 of 6: ngc/dr1 is there"
    assert len(lines) == 6


def test_second_build_touches_nothing(built: Path) -> None:
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in built.rglob("*")}
    assert run_build(built).returncode == 0
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in built.rglob("*")} == before


def test_without_downloads_it_says_what_is_missing(tmp_path: Path) -> None:
    done = run_build(tmp_path / "releases", tmp_path / "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith(f"releases: {tmp_path}/nothing/pyongc/pyongc/ongc.db is missing; remove ")
    assert "Traceback" not in done.stderr


def test_folder_that_may_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_build(tmp_path / "file/releases", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"releases: {tmp_path}/file/releases: Not a directory")


@pytest.mark.parametrize("arguments", [["--releases", "x"], ["--platform-to", "x"], ["--verify"]])
def test_half_a_request_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(BUILD), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert " needs --" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_verify_finds_one_wrong_byte(built: Path, tmp_path: Path) -> None:
    whole = subprocess.run(
        [sys.executable, str(BUILD), "--releases", str(built), "--verify"], capture_output=True, check=False, timeout=100
    )
    assert whole.returncode == 0
    copied = tmp_path / "releases"
    subprocess.run(["cp", "--recursive", "--link", str(built), str(copied)], check=True)
    victim = copied / "ngc/dr1/m13.fits"
    raw = bytearray(victim.read_bytes())
    raw[5000] ^= 1
    victim.parent.chmod(0o755)
    victim.unlink()
    victim.write_bytes(raw)
    argv = [sys.executable, str(BUILD), "--releases", str(copied), "--verify"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert f"{copied}/ngc/dr1 is not as it was made" in done.stderr
    subprocess.run(["rm", "-rf", str(copied)], check=True)


def test_killed_builds_end_with_the_bytes_of_one_that_was_not(built: Path, downloads: Path, tmp_path: Path) -> None:
    root = tmp_path / "releases"
    argv = [sys.executable, str(BUILD), "--releases", str(root), "--downloads", str(downloads)]
    for _ in range(3):
        builder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert builder.stdout is not None
        with builder.stdout:
            builder.stdout.readline()
            try:
                builder.wait(random.uniform(0, 1.0))
            except subprocess.TimeoutExpired:
                builder.kill()
                builder.wait(10)
        for place in root.glob("[!.]*/*/CHECKSUMS"):
            subprocess.run(["sha256sum", "--check", "--quiet", "CHECKSUMS"], cwd=place.parent, check=True)
    assert run_build(root).returncode == 0
    assert digests(root) == digests(built)
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_stopped_build_says_that_it_goes_on_later(downloads: Path, tmp_path: Path) -> None:
    argv = [sys.executable, str(BUILD), "--releases", str(tmp_path / "releases"), "--downloads", str(downloads)]
    builder = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert builder.stdout is not None
    assert builder.stdout.readline() == "releases: 1 of 6: ngc/dr1 …\n"
    builder.send_signal(signal.SIGTERM)
    _, said = builder.communicate(timeout=30)
    assert builder.returncode == 2
    assert said == "releases: stopped; what is finished is kept, and the next start goes on from there\n"
