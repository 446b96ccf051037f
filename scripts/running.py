"""Runs the package clients; what they say goes to a log, and their failures become one sentence."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

HEARTBEAT_SECONDS = 1.0
GRACE_SECONDS = 10.0
LAST_LINES = 12
NO_NETWORK = re.compile(
    r"dns error|failed to lookup address|error sending request|Temporary failure|Could not resolve|Failed to fetch|Network is unreachable"
    r"|NewConnectionError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|Connection refused"
    r"|Unable to locate package|no installation candidate|Could not connect|request to .* failed"
)
DISK_FULL = re.compile(r"No space left on device|ENOSPC|not have enough free space|os error 28")


class Trouble(Exception):
    """What stops the set-up, as a sentence that says what to do."""


class Log:
    """The file that keeps all that the package clients said."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """Run a command to its end and return what it printed; a failure is a Trouble."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as log:
            log.write(f"\n$ {' '.join(command)}\n".encode())
            log.flush()
            start = log.tell()
            environment = {**os.environ, **(environment or {})}
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=cwd, process_group=0)
            try:
                code = _wait(child)
            except BaseException:  # whatever stops us, neither the child nor a child of its own is left behind
                _end(child)
                raise
        said = self.path.read_bytes()[start:].decode(errors="replace")
        if code != 0:
            raise Trouble(self._sentence(command, said))
        return said

    def _sentence(self, command: Sequence[str], said: str) -> str:
        if DISK_FULL.search(said):
            return f"The disk of {self.path.parent} is full. Make room and run the same command again; what was finished is kept."
        if NO_NETWORK.search(said):
            return (
                "The package servers can't be reached, and the first set-up needs them. Connect this machine to the network "
                f"(or mend its package settings) and run the same command again; what was finished is kept. Details: {self.path}"
            )
        last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-LAST_LINES:])
        return f"{Path(command[0]).name} failed. Its last words, all of them in {self.path}:\n{last}"


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child's whole process group: politely, then not."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE_SECONDS)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child; on a terminal a person sees that time passes."""
    began = time.monotonic()
    while True:
        try:
            return child.wait(timeout=HEARTBEAT_SECONDS)
        except subprocess.TimeoutExpired:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r      {time.monotonic() - began:.0f} s \r")
                sys.stderr.flush()
