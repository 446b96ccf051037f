"""A process that goes on without its terminal, and says to the one that started it how its start went."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

# What the new process does: it is handed a function to call once with the exit code of its start, and returns its own.
Work = Callable[[Callable[[int], None]], int]
_DIED = 2


def detach(work: Work, log: Path) -> int:
    """Do the work in a process of its own session; returns the code that its start was announced with.

    Until then it shares our output, so that what it does can be seen. A signal to us is passed on to it.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    between = os.fork()
    if between == 0:
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)
        _go_on_alone(work, writer, log)
    os.close(writer)
    os.waitpid(between, 0)
    with os.fdopen(reader, "r") as answers:
        return _await_start(answers.readline, answers.readline)


def _await_start(read_pid: Callable[[], str], read_code: Callable[[], str]) -> int:
    pid = read_pid().strip()
    if not pid:
        return _DIED

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        os.kill(int(pid), signum)

    before = {signum: signal.signal(signum, pass_on) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = read_code().strip()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return int(code) if code else _DIED


def _go_on_alone(work: Work, writer: int, log: Path) -> None:
    code = _DIED
    try:
        os.chdir("/")
        os.write(writer, f"{os.getpid()}\n".encode())
        _reopen(log, sys.stdin.fileno(), os.O_RDONLY, Path(os.devnull))

        def started(start_code: int) -> None:
            sys.stdout.flush()
            for stream in (sys.stdout, sys.stderr):
                _reopen(log, stream.fileno(), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(writer, f"{start_code}\n".encode())

        code = work(started)
    except BaseException:  # whatever it was, it is told: nobody is above us who could
        traceback.print_exc()
    finally:
        # Not sys.exit: the callers' frames belong to the process that was forked from.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reopen(log: Path, descriptor: int, flags: int, path: Path | None = None) -> None:
    opened = os.open(path or log, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)
