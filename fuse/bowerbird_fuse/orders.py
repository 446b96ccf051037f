"""`keeper.sock`: orders of the hub and of the supervisor, root's alone; JSON in, JSON out, a line each."""

import logging
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowerbird_config import sockets

log = logging.getLogger(__name__)
_LONGEST_ORDER = 1 << 16
# Longer than any order may take that the keeper itself gives up.
_ANSWER_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
Answer = dict[str, Any]


class Refused(Exception):
    """An order cannot be carried out; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """One request; it is answered once, by whoever carries it out."""

    request: dict[str, Any]
    _answer: "queue.SimpleQueue[Answer]" = field(default_factory=queue.SimpleQueue)

    @property
    def user(self) -> str:
        """Whom it is about."""
        return str(self.request.get("user", ""))

    def done(self, **answer: Any) -> None:
        """Answer that it is done."""
        self._answer.put({"ok": True, **answer})

    def refuse(self, sentence: str) -> None:
        """Answer why it is not done."""
        self._answer.put({"ok": False, "error": sentence})

    def wait(self) -> Answer:
        """Return the answer."""
        try:
            return self._answer.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            return {"ok": False, "error": f"the keeper did not answer within {_ANSWER_SECONDS:.0f} s"}


class Orders(threading.Thread):
    """Takes orders, and gives each to `tell`."""

    def __init__(self, path: Path, tell: Callable[[Order], None]) -> None:
        super().__init__(name="orders", daemon=True)
        self.path = path
        self.tell = tell
        self._listener = sockets.listen(path)
        self._closing = threading.Event()

    def run(self) -> None:
        """Take orders until `close`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closing.wait(_PAUSE_SECONDS):
                    return
                # Of descriptors there may be too few for a moment only: a keeper that is deaf would be of no use.
                log.warning("an order could not be taken: %s", error)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="order", daemon=True).start()

    def close(self) -> None:
        """Take no more orders."""
        self._closing.set()
        self.path.unlink(missing_ok=True)
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            if sockets.peer_uid(connection) != 0:
                return
            try:
                for request in sockets.read_lines(connection, _LONGEST_ORDER):
                    order = Order(request)
                    self.tell(order)
                    sockets.write_line(connection, order.wait())
            except (OSError, ValueError) as error:
                log.warning("an order could not be read or answered: %s", error)
