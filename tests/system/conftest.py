"""The whole platform, started by its own command, once for the module that asks."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.watcher import watched

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Running:
    """A platform that `bowerbird up` started, and how to ask it things."""

    var: Path

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one `./bowerbird` command on this platform's state."""
        return subprocess.run(
            [str(ROOT / "bowerbird"), *arguments, "--var", str(self.var)],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=check,
            stdin=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says; it exits with 1 while something is away."""
        return dict(json.loads(self.command("status", "--json", check=False).stdout))

    @property
    def url(self) -> str:
        """The address of the sign-in page."""
        return str(self.status()["url"])

    def password(self, account: str) -> str:
        """Return a demo account's password, from the file that `status` names."""
        for line in Path(self.status()["demo_accounts"]).read_text().splitlines():
            words = line.split()
            if words and words[0] == account:
                return words[1]
        raise LookupError(f"no demo account {account!r} in {self.status()['demo_accounts']}")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A fresh platform on a free port with the demo releases; nothing of it is left behind."""
    if os.geteuid() != 0:
        pytest.skip("the system test starts sandboxes and mounts: needs root")
    if not Path("/dev/fuse").exists():
        pytest.skip("the system test mounts /data: needs /dev/fuse")
    running = Running(tmp_path_factory.mktemp("platform with a space") / "var")
    with watched(running.var, [str(ROOT / "bowerbird"), "down", "--var", str(running.var)]):
        try:
            running.command("up", "--detach", "--port", "0")
            yield running
        finally:
            down = running.command("down", check=False)
            assert down.returncode == 0, down.stderr
    mounts = Path("/proc/self/mounts").read_text()
    assert str(running.var).replace(" ", "\\040") not in mounts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.rootpath) / ".bowerbird" / "pictures"
