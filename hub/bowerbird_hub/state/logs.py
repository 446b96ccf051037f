"""Logs of the parts: bounded in size, shown and followed."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bowerbird_hub.state.state_files import write_bytes

LARGEST_BYTES = 8 << 20
OLD_ONES = 3
_FOLLOW_SECONDS = 0.2
_CHUNK = 1 << 16
# A server's log is open in the server, whose user may make it as long and as empty as they like: nothing reads more at once.
_TAIL_BYTES = 1 << 20

_log = logging.getLogger("bowerbird.logs")


def rotate(directory: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Put aside the end of each log that has grown too large; one that cannot be does not keep the others from it.

    A part keeps its log open and appends, so the file is copied and emptied, not renamed; what is written in between
    those two is lost, and so is what stands before the last `largest_bytes`.
    """
    for log in directory.rglob("*.log"):
        try:
            if log.stat().st_size > largest_bytes:
                _put_aside(log, largest_bytes)
        except OSError as error:
            _log.warning("%s could not be put aside: %s", log, error.strerror)


def _put_aside(log: Path, largest_bytes: int) -> None:
    for number in range(OLD_ONES, 1, -1):
        older = log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    newest = log.with_name(f"{log.name}.1")
    with log.open("r+b") as file:
        write_bytes(newest, _last(file, largest_bytes), 0o600)
        file.truncate(0)


def _last(file: BinaryIO, most: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read(most)


def logs_in(directory: Path) -> dict[str, Path]:
    """Return the logs by name: a part's, and `servers/NAME` for those of single-user servers."""
    return {str(log.relative_to(directory).with_suffix("")): log for log in sorted(directory.rglob("*.log"))}


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        held = b""
        while position and held.count(b"\n") <= lines and len(held) < _TAIL_BYTES:
            step = min(_CHUNK, position)
            position -= step
            file.seek(position)
            held = file.read(step) + held
    kept = held.splitlines(keepends=True)[-lines:] if lines else []
    return b"".join(kept).decode(errors="replace")


class Follower:
    """What is appended to logs from now on, also across a rotation and to logs that are made later."""

    def __init__(self, directory: Path, part: str | None) -> None:
        self._directory = directory
        self._part = part
        self._read = {log: log.stat().st_size for log in self._logs().values()}

    def _logs(self) -> dict[str, Path]:
        found = logs_in(self._directory)
        return {name: log for name, log in found.items() if self._part in {None, name}}

    def new(self) -> Iterator[tuple[str, str]]:
        """Yield each log that grew, with what was appended."""
        for name, log in self._logs().items():
            size, read = log.stat().st_size, self._read.get(log, 0)
            if size == read:
                continue
            with log.open("rb") as file:
                file.seek(max(read, size - _TAIL_BYTES) if size > read else 0)
                appended = file.read(_TAIL_BYTES)
                self._read[log] = file.tell()
            yield name, appended.decode(errors="replace")

    def follow(self) -> Iterator[tuple[str, str]]:
        """Yield what is appended, for ever."""
        while True:
            yield from self.new()
            time.sleep(_FOLLOW_SECONDS)
