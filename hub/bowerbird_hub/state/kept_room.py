"""A small file of JSON that is written anew on a full disk too: the room for that is taken while there is some, in a file beside it."""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bowerbird_config.room import is_full
from bowerbird_hub.state.state_files import read_json, write_bytes, write_json

_ROOM_BYTES = 64 << 10


def write_always(path: Path, value: Mapping[str, Any]) -> None:
    """Put JSON into a file, whole or not at all; where the disk is full, over the room beside it. OSError where there is none either."""
    room, content = _room_of(path), json.dumps(value).encode()
    filled = bool(read_json(room))
    # First, so that no word in the room is ever older than the file, whenever the writer is killed.
    if filled and len(content) <= _ROOM_BYTES:
        _fill(room, content)
    try:
        write_json(path, value)
    except OSError as error:
        if not is_full(error):
            raise
        _fill(room, content)
        return
    if filled:
        _fill(room, b"")
    elif not room.exists():
        with suppress(OSError):
            write_bytes(room, b" " * _ROOM_BYTES)


def read_newest(path: Path) -> dict[str, Any]:
    """Return what `write_always` wrote last: what stands in the room, which the next file that is written empties, else the file."""
    return read_json(_room_of(path)) or read_json(path)


def _room_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.room")


def _fill(room: Path, content: bytes) -> None:
    """Write over the whole of the room in its place, which takes no other."""
    if len(content) > _ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(room))
    handle = os.open(room, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(handle, content.ljust(_ROOM_BYTES), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
