"""One program beside the platform that does its work and ends: what it says, in the log and to whoever watches."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

# Where a program has no home; what libraries would keep there goes with the sandbox or the container.
NO_HOME = {"HOME": "/tmp", "XDG_CACHE_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}  # noqa: S108  its own, and no machine's
_STOP_SECONDS = 5.0
_LONGEST_LINE = 1 << 16


async def run(
    argv: Sequence[str],
    log: Path | None,
    say: Callable[[str], None],
    environment: Mapping[str, str],
    order: bytes = b"",
    begun: Callable[[int], None] = lambda _pid: None,
) -> int:
    """Return its exit status; `begun` gets its process id, `say` each line. When cancelled the program and all that it started end."""
    with log.open("ab") if log else nullcontext() as written:
        program = await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        begun(program.pid)
        try:
            await _order(program, order)
            await _relay(program, written, say)
            return await program.wait()
        finally:
            await _end(program)


async def _order(program: asyncio.subprocess.Process, order: bytes) -> None:
    assert program.stdin is not None  # noqa: S101  it was started with one
    # One that ends before it read its order says itself why.
    with suppress(BrokenPipeError, ConnectionResetError):
        program.stdin.write(order)
        await program.stdin.drain()
        program.stdin.close()


async def _relay(program: asyncio.subprocess.Process, log: BinaryIO | None, say: Callable[[str], None]) -> None:
    assert program.stdout is not None  # noqa: S101  it was started with one
    begins = True
    while raw := await _part(program.stdout):
        if log:
            log.write(raw)
            log.flush()
        line = raw.decode(errors="replace").strip()
        if line and begins:
            say(line)
        begins = raw.endswith(b"\n")


async def _part(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, or of a longer one the next part; nothing at the end."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


async def _end(program: asyncio.subprocess.Process) -> None:
    if program.returncode is not None:
        return
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signum)
        with suppress(TimeoutError):
            await asyncio.wait_for(program.wait(), _STOP_SECONDS)
            return
