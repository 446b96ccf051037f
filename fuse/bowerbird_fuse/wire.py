"""The protocol between the keeper and a worker: small typed messages over a SOCK_SEQPACKET pair, descriptors beside them.

The keeper says `Mount`, `Stores` (the directories to serve), `Show` (the view) and `Go`; a worker answers `Standby`, `Serving`.
The keeper believes a worker nothing but that it is alive.
"""

import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from bowerbird_config import sockets

from bowerbird_fuse.meter import Slot
from bowerbird_fuse.view import View

# The kernel passes at most 253 descriptors at once.
_MOST_FDS = 200
_MOST_BYTES = 1 << 16
# What a view may weigh: some thousand releases, each with its README.
_MOST_VIEW = 64 << 20


# Where a worker puts its mount's descriptors, the device first, so that who looks for them in its process knows where.
FIRST_FD = 200


@dataclass(frozen=True, slots=True)
class Mount:
    """The device of a mount comes beside it, what an earlier worker of it left, and the broker's socket."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The directories of these keys come beside it, in this order, then the meters of those that are spaces.

    `slots` has a number for each key: the slot of this view in the meter of that space, -1 for what is no space.
    """

    keys: tuple[str, ...]
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Show:
    """The view comes beside it in a memfd; show it from now on."""


@dataclass(frozen=True, slots=True)
class Go:
    """Answer the kernel from now on; `init` is its first request, in hexadecimal digits."""

    init: str


@dataclass(frozen=True, slots=True)
class Standby:
    """A worker is ready, its privileges are gone."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker answers the kernel."""


Message = Mount | Stores | Show | Go | Standby | Serving
_KINDS = {kind.__name__: kind for kind in (Mount, Stores, Show, Go, Standby, Serving)}


class WireError(ValueError):
    """What came is no message of this protocol."""


def send(connection: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send one message; BlockingIOError where the other end does not read."""
    data = json.dumps({"kind": type(message).__name__, **asdict(message)}).encode()
    sockets.send_descriptors(connection, data, fds)


def receive(connection: socket.socket) -> tuple[Message | None, list[int]]:
    """Return the next message and its descriptors; None at the end. WireError for what is none."""
    data, fds, flags = sockets.receive_descriptors(connection, _MOST_BYTES, _MOST_FDS)
    if not data:
        return None, fds
    try:
        return _parse(data, flags), fds
    except WireError:
        close_all(fds)
        raise


def _parse(data: bytes, flags: int) -> Message:
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise WireError("a message is too large")
    try:
        raw = json.loads(data)
        kind = _KINDS[raw.pop("kind")]
        if "keys" in raw:
            raw["keys"], raw["slots"] = tuple(map(str, raw["keys"])), tuple(map(int, raw["slots"]))
        message: Message = kind(**raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WireError(f"no message: {error}") from error
    return message


def store_messages(stores: Sequence[tuple[str, int, Slot | None]]) -> Iterator[tuple[Stores, list[int]]]:
    """Yield the messages that hand over these directories, each with the slot in its meter where it is a space."""
    most = _MOST_FDS // 2
    for start in range(0, len(stores), most):
        part = stores[start : start + most]
        slots = tuple(-1 if slot is None else slot.number for _, _, slot in part)
        meters = [slot.fd for _, _, slot in part if slot is not None]
        yield Stores(tuple(key for key, _, _ in part), slots), [*(fd for _, fd, _ in part), *meters]


def view_memory(view: View) -> int:
    """Return a memfd that holds a view; the caller closes it."""
    fd = os.memfd_create("view", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(view.to_json())
    return fd


def read_view(fd: int) -> View:
    """Read a view from a memfd, and close it."""
    try:
        return View.from_json(os.pread(fd, _MOST_VIEW, 0))
    finally:
        os.close(fd)


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)
