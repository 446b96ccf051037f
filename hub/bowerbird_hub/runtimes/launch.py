"""Processes of single-user servers: started, found again after the hub's own restart, and ended to the last one."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird_hub.supervision.processes import Process, environment, find, living, outlived, tree
from bowerbird_hub.supervision.records import boot_id

MARK = "BOWERBIRD_SERVER"
_STEP_SECONDS = 0.01
_SANDBOX_SECONDS = 10.0
_KILL_SECONDS = 5.0
_LONGEST_LOG = 4 << 20
_TAIL_BYTES = 4096


class LaunchFailed(Exception):
    """The process ended before it could be called a server."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server's process, and the first process of its sandbox, with which everything in there ends."""

    server: Process
    first: Process | None
    boot: str

    @property
    def alive(self) -> bool:
        """Tell whether the server runs."""
        return self.boot == boot_id() and self.server.alive

    def to_state(self) -> dict[str, Any]:
        """Return what a restarted hub needs to find it again."""
        return {
            "boot": self.boot,
            "server": [self.server.pid, self.server.start_ticks],
            "first": [self.first.pid, self.first.start_ticks] if self.first else None,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Running | None":
        """Return what `to_state` wrote; None where it did not."""
        try:
            first = state["first"]
            return cls(Process(*state["server"]), Process(*first) if first else None, state["boot"])
        except (KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Command:
    """An argv with its environment, and where it starts and writes."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path


def start(command: Command, info: tuple[int, int] | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; of a pair of pipe ends the writing one goes along."""
    with _open_log(command.log) as log:
        return subprocess.Popen(
            command.argv,
            env=dict(command.environment),
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(info[1],) if info else (),
        )


def _open_log(path: Path) -> Any:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LONGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab")


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


async def started(child: subprocess.Popen[bytes]) -> Running:
    """Return what runs without a sandbox."""
    server = find(child.pid)
    if server is None:
        raise LaunchFailed(f"it ended at once with status {child.wait()}")
    return Running(server, None, boot_id())


async def sandboxed(child: subprocess.Popen[bytes], reading: int) -> Running:
    """Return what runs in a sandbox, whose bubblewrap says on that pipe which its first process is."""
    deadline = time.monotonic() + _SANDBOX_SECONDS
    told = await asyncio.to_thread(_read_all, reading)
    first = find(json.loads(told)["child-pid"]) if told else None
    while first is not None and first.alive and time.monotonic() < deadline:
        family = tree(first)
        if len(family) > 1:
            return Running(family[1], first, boot_id())
        await asyncio.sleep(_STEP_SECONDS)
    if first is not None:
        first.send(signal.SIGKILL)
    raise LaunchFailed(f"its sandbox could not be made (status {await asyncio.to_thread(_status, child)})")


def _read_all(reading: int) -> bytes:
    with open(reading, "rb") as pipe:
        return pipe.read()


def _status(child: subprocess.Popen[bytes]) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return child.wait(_KILL_SECONDS)
    return None


def marked(marks: set[str] | None = None, prefix: str = "") -> dict[Process, str]:
    """Return the processes that carry one of those marks, or one that begins so, each with its mark."""
    found = {}
    for process in living():
        mark = environment(process.pid).get(MARK, "")
        if mark and (mark in marks if marks is not None else mark.startswith(prefix)):
            found[process] = mark
    return found


def bears(running: Running, mark: str) -> bool:
    """Tell whether what still lives of a server carries that mark."""
    known = (process for process in (running.server, running.first) if process is not None and process.alive)
    return all(environment(process.pid).get(MARK) == mark for process in known)


async def end(running: Running, mark: str, grace_seconds: float) -> None:
    """End a server and all that it started: asked first, killed after the grace."""
    # Asked of the server alone: it ends its kernels itself, in good order.
    if running.alive and running.server.send(signal.SIGTERM):
        await outlived([running.server], grace_seconds)
    await sweep(running, mark)


async def sweep(running: Running | None, mark: str) -> None:
    """Kill what is left of a server that has ended."""
    left = [running.first] if running is not None and running.first is not None and running.boot == boot_id() else []
    left += await asyncio.to_thread(marked, {mark})
    for process in left:
        process.send(signal.SIGKILL)
    await outlived(left, _KILL_SECONDS)
