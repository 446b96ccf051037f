"""A checkout whose parts are fakes that speak the real protocols, and the real commands run on it as processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.watcher import watched

ROOT = Path(__file__).parents[2]
FAKES = Path(__file__).parent / "fake_parts"
MEMBERS = ("config", "hub")
COMMAND_SECONDS = 60
WAIT_SECONDS = 30
PLATFORM = """\
bowerbird: 1
name: Rig
contact: the rig's maker
sign_on:
  cas: {url: "https://cas.example.org/cas"}
  allow_users: [somebody]
profiles:
  small: {title: Small, memory: 1 GiB, cpu: 1, teams: everyone}
runtime: {port: 0}
"""


def wait_for(what: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return what comes true in time; AssertionError where it does not."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


@dataclass
class Rig:
    """One fake checkout with one state directory."""

    root: Path
    var: Path
    file: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def control(self) -> Path:
        """Where files tell the fakes how to behave."""
        return self.root / "control"

    def environment(self) -> dict[str, str]:
        """Return what the commands are run with."""
        path = os.pathsep.join([str(FAKES), *(str(ROOT / member) for member in MEMBERS)])
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"BOWERBIRD_ROOT": str(self.root), "BOWERBIRD_PYTHON": sys.executable, "FAKE_PARTS": str(self.control)}
        return {**kept, **own, "PYTHONPATH": path}

    def argv(self, *words: str) -> list[str]:
        """Return the argv of one of the operator's commands."""
        code = "import sys; from bowerbird_hub import commands; getattr(commands, sys.argv.pop(1))()"
        return [sys.executable, "-c", code, *words, "--var", str(self.var)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*words),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and return its process, which the rig ends."""
        process = subprocess.Popen(
            self.argv(*words),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def up(self, *words: str) -> dict[str, Any]:
        """Start the platform detached, of the rig's file unless words are given, and return its status."""
        done = self.run("up", *(words or [str(self.file)]), "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        return dict(json.loads(self.run("status", "--json").stdout))

    def pids(self) -> dict[str, int]:
        """Return the processes of the parts, by name."""
        return {path.stem: json.loads(path.read_text())["pid"] for path in (self.var / "run" / "parts").glob("[a-z]*.json")}

    def supervisor(self) -> int:
        """Return the supervisor's process."""
        return int(json.loads((self.var / "lock").read_text())["pid"])

    def starts(self, name: str) -> int:
        """Return how often a part was started."""
        path = self.control / f"{name}.starts"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def tell(self, name: str, text: str = "") -> None:
        """Tell a fake how to behave."""
        (self.control / name).write_text(text)

    def answers(self, url: str) -> bool:
        """Tell whether the sign-in page can be reached."""
        try:
            with urllib.request.urlopen(f"{url}hub/login", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def processes(self) -> list[str]:
        """Return the command lines of all processes that belong to this platform."""
        mark = f"BOWERBIRD_VAR={self.var}".encode()
        return [" ".join(words) for pid, words in _processes() if mark in _raw(pid, "environ").split(b"\0")]

    def mounts(self) -> list[str]:
        """Return the mount points below the state directory."""
        escaped = str(self.var).replace(" ", "\\040")
        return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4].startswith(escaped)]

    def assert_nothing_left(self) -> None:
        """Fail where anything of the platform still runs or is mounted."""
        assert self.processes() == []
        assert self.mounts() == []
        assert not list((self.var / "run").glob("**/*.json"))


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            words = [word.decode() for word in _raw(int(entry.name), "cmdline").split(b"\0") if word]
            if words:
                yield int(entry.name), words


def _raw(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


@contextmanager
def rig_in(place: Path) -> Iterator[Rig]:
    """Make a rig below a directory; whatever still runs at the end is ended, and it is an error if `down` cannot."""
    root = place / "a checkout"
    module = root / ".bowerbird" / "node" / "node_modules" / "configurable-http-proxy" / "bin"
    module.mkdir(parents=True)
    (root / ".bowerbird" / "node" / "bin").mkdir()
    # Within /usr, where the proxy's sandbox sees it.
    (root / ".bowerbird" / "node" / "bin" / "node").symlink_to("/usr/bin/python3")
    shutil.copy(FAKES / "proxy.py", module / "configurable-http-proxy")
    shutil.copy(FAKES / "behaviour.py", module)
    (root / "control").mkdir()
    file = root / "platform.yaml"
    file.write_text(PLATFORM)
    rig = Rig(root, place / "var", file)
    with watched(rig.var, rig.argv("down"), rig.environment()):
        try:
            yield rig
        finally:
            _end(rig)


def _end(rig: Rig) -> None:
    for process in rig.started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.stdout:
            process.stdout.close()
        process.wait()
    if (rig.var / "layout").exists():
        done = rig.run("down")
        assert done.returncode == 0, done.stderr
        rig.assert_nothing_left()
