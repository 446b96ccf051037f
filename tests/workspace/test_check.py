"""`./bowerbird test`: a failed check is shown, remembered until the end, and makes the whole fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check
from tests.support.nobody import AS_NOBODY

ROOT = Path(__file__).parents[2]
SECONDS = 60


def test_only_failed_checks_show_what_they_said(capsys):
    says = "import sys; print('this is what it said'); sys.exit(int(sys.argv[1]))"
    failed = check.run_checks({"good": (sys.executable, "-c", says, "0"), "bad": (sys.executable, "-c", says, "1")})
    shown = capsys.readouterr().out
    assert failed == ["bad"]
    assert shown.count("this is what it said") == 1
    assert shown.index("good: passed") < shown.index("bad: FAILED") < shown.index("this is what it said")


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """A project with this one's pytest settings and conftest, and one test for each marker."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tests)
    marked = "\n".join(f"@pytest.mark.{name}\ndef test_{name}(): pass\n" for name in ("root", "long"))
    (tests / "test_it.py").write_text(f"import pytest\n\n{marked}\ndef test_plain(): pass\n")
    return tmp_path


def pytest_of(project: Path, *arguments: str, before: tuple[str, ...] = (), failed: str = "") -> list[str]:
    command = [*before, sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = {"BOWERBIRD_FAILED_CHECKS": failed, "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    return ended.stdout.splitlines()


def test_a_soak_is_skipped_with_its_reason_unless_asked_for(small_project):
    lines = pytest_of(small_project)
    assert any(line.startswith("SKIPPED") and line.endswith("a soak: run with --long") for line in lines)
    assert not any("a soak" in line for line in pytest_of(small_project, "--long"))


@pytest.mark.root
def test_without_root_what_needs_it_is_skipped_with_its_reason(small_project):
    lines = pytest_of(small_project, before=AS_NOBODY)
    assert any(line.startswith("SKIPPED") and line.endswith("needs root") for line in lines)
    assert "1 passed, 2 skipped" in lines[-1]


def test_pytests_closing_line_is_the_last_and_failed_checks_stand_before_it(small_project):
    lines = pytest_of(small_project, failed="ruff check, mypy")
    assert "FAILED before the tests, see above: ruff check, mypy" in lines
    assert " passed" in lines[-1]
