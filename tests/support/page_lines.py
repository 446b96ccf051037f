"""The lines of a page, run as somebody would who copies them: Python and shell, with a home of their own."""

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

SECONDS = 90


class _Blocks(HTMLParser):
    """The text of each `pre` by its id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._id: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "pre":
            self._id = dict(attrs).get("id")
            self.found[str(self._id)] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self._id = None

    def handle_data(self, data: str) -> None:
        if self._id:
            self.found[self._id] += data


def lines_of(page: str) -> dict[str, str]:
    """Return the lines of a page by their id."""
    return _Blocks(page).found


def run(lines: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run lines: those that begin with an import by Python, others by the shell."""
    command = [sys.executable, "-c", lines] if lines.startswith("import ") else ["sh", "-c", lines]
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {**kept, "HOME": str(home), "NO_PROXY": "*", **variables}
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=SECONDS, check=False)


def lack_of_stilts(signed: bool) -> str | None:
    """Return why STILTS cannot run the lines here, None where it can."""
    if shutil.which("stilts") is None:
        return "STILTS is not installed: apt-get install stilts"
    if not signed:
        return None
    told = subprocess.run(["stilts", "tapquery", "help"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout
    return None if "auth=" in told else "the installed STILTS signs in nowhere: tapquery has no auth="
