"""What a worker tells the next one of the same mount: nodes and open handles, in a memfd that outlives it.

One JSON list a line, appended; the kernel must never know a number that the journal does not, so a worker flushes before
it answers. A last line without an end is one that a killed worker did not finish: its answer was never given.
"""

import ctypes
import fcntl
import json
import os
from collections.abc import Iterable
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Protocol


class Mark(StrEnum):
    """What a line is about."""

    NODE = "N"  # id, parent, name, device, inode: a node is here now
    FORGET = "F"  # id: the kernel has forgotten it
    GONE = "G"  # id: it has no name any more
    OPEN = "O"  # handle, node, flags, and the kernel's number of a file that it reads by itself
    CLOSE = "C"  # handle
    BEGIN = "B"  # all that holds follows; what stands before may be left out once END is there
    END = "E"


# When it has grown so far since it was last written anew, and to several times what it has to say: who takes over reads all
# of it before a call is answered.
GROWN_BYTES = 512 << 10
_GROWN_TIMES = 4
_PUNCH_HOLE, _KEEP_SIZE = 2, 1
_libc = ctypes.CDLL(None, use_errno=True)

Line = tuple[Mark, *tuple[int | str, ...]]


class Beside(Protocol):
    """Who writes into the same journal beside it."""

    def noted(self) -> int:
        """Return how many bytes were written since the journal was written anew."""

    def note_anew(self) -> None:
        """Write all that holds."""

    def note_at_most(self, size: int) -> None:
        """Write no more than so many bytes from now on until the journal is written anew."""


class Journal:
    """Appends to a memfd, and reads what stands in it."""

    def __init__(self, fd: int, beside: Beside | None = None) -> None:
        self.fd = fd
        self._beside = beside
        self.pending: list[str] = []
        self._grown = 0
        self._whole = 0

    def note(self, mark: Mark, *values: int | str) -> None:
        """Remember a line until the next flush."""
        self.pending.append(_line(mark, *values))

    def flush(self) -> None:
        """Write what was noted."""
        if self.pending:
            lines, self.pending = self.pending, []
            self._grown += os.write(self.fd, ("\n".join(lines) + "\n").encode())

    @property
    def grown(self) -> bool:
        """Tell whether it is time to write it anew."""
        beside = self._beside.noted() if self._beside is not None else 0
        return self._grown + beside > self._most

    @property
    def _most(self) -> int:
        return max(GROWN_BYTES, _GROWN_TIMES * self._whole)

    def write_anew(self, lines: Iterable[Line]) -> None:
        """Write all that holds, and give the room of what stood there before back; safe against a kill at any moment."""
        self.flush()
        begin = os.fstat(self.fd).st_size
        self._grown = 0
        self.pending = [_line(Mark.BEGIN), *(_line(*line) for line in lines)]
        self.flush()
        if self._beside is not None:
            self._beside.note_anew()
        self.pending = [_line(Mark.END)]
        self.flush()
        self._whole, self._grown = os.fstat(self.fd).st_size - begin, 0
        if self._beside is not None:
            self._beside.note_at_most(self._most)
        _libc.fallocate(self.fd, _PUNCH_HOLE | _KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(begin))

    def resume(self) -> list[list[Any]]:
        """Return what an earlier worker left to say, and go on behind its last finished line."""
        text = self._written()
        os.ftruncate(self.fd, os.fstat(self.fd).st_size - len(text) + text.rfind(b"\n") + 1)
        standing = _standing(text)
        self._whole, self._grown = sum(map(len, standing)), len(text)
        return _read(standing)

    def lines(self) -> list[list[Any]]:
        """Return each finished line that still says something."""
        return _read(_standing(self._written()))

    def _written(self) -> bytes:
        size = os.fstat(self.fd).st_size
        if size == 0:
            return b""
        begin = os.lseek(self.fd, 0, os.SEEK_DATA)
        return os.pread(self.fd, size - begin, begin).lstrip(b"\0")


def _standing(text: bytes) -> list[bytes]:
    """Return the lines that hold: the last one of each node and open handle. People wait for it, so no line is read for more."""
    # No name looks like these two: a quote in it has a stroke before it.
    end = max(0, text.rfind(_END))
    begin = max(0, text.rfind(_BEGIN, 0, end))
    nodes: dict[bytes, bytes] = {}
    gone: dict[bytes, bytes] = {}
    handles: dict[bytes, bytes] = {}
    latest = 0
    for line in text[begin : text.rfind(b"\n") + 1].split(b"\n"):
        # The first value: up to a comma, or up to the bracket at the end.
        number = line[5 : line.find(b",", 5)]
        match line[2:3]:
            case b"N":
                nodes[number] = line
            case b"F":
                nodes.pop(number, None)
                gone.pop(number, None)
            case b"G" if number in nodes:
                gone[number] = line
            case b"O":
                handles[number] = line
                latest = max(latest, int(number))
            case b"C":
                handles.pop(number, None)
    if latest and b"%d" % latest not in handles:
        # It is closed, and its number is not to be given again.
        handles[b""] = _line(Mark.OPEN, latest, 0, 0).encode() + b"," + _line(Mark.CLOSE, latest).encode()
    # Another file may have the inode of one that is gone: so that one comes first.
    before = [line for number in gone for line in (nodes.pop(number), gone[number])]
    return [*before, *nodes.values(), *handles.values()]


def _read(lines: list[bytes]) -> list[list[Any]]:
    read: list[list[Any]] = json.loads(b"[" + b",".join(lines) + b"]")
    return read


def _line(mark: Mark, *values: int | str) -> str:
    # As json.dumps says it, in a fifth of its time: a line comes with nearly every request.
    return '["' + ",".join([mark + '"', *[_quoted(value) if isinstance(value, str) else str(value) for value in values]]) + "]"


_BEGIN, _END = (_line(mark).encode() + b"\n" for mark in (Mark.BEGIN, Mark.END))


def open_journal(name: str) -> int:
    """Return a new memfd to keep a journal in; every writer appends."""
    fd = os.memfd_create(f"bowerbird {name}", os.MFD_CLOEXEC)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd
