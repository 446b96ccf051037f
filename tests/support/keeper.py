"""A data keeper without a file system: it speaks the real protocol, and its views are plain directories."""

import os
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bowerbird_config.paths import Var
from bowerbird_config.sockets import LineError, connect, listen, read_lines, write_line


class FakeKeeper:
    """Answers orders at a platform's keeper socket; `orders` are those that came, `refuse` is said to each mount.

    `troubles` is what keeps a view from answering, and `workers` the worker's pid and how many died before it, by user.
    """

    def __init__(self, var: Var, owner: Callable[[str], int] | None = None) -> None:
        self.var = var
        self.orders: list[dict[str, Any]] = []
        self.refuse: str | None = None
        self.troubles: dict[str, str] = {}
        self.workers: dict[str, tuple[int, int]] = {}
        self._owner = owner
        self._mounted: set[str] = set()
        self._listener: socket.socket | None = None
        self._serving: threading.Thread | None = None
        self._speaking: socket.socket | None = None

    def __enter__(self) -> Self:
        self.var.views.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._listener = listen(self.var.keeper_socket)
        self._serving = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._serving.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._listener is not None
        assert self._serving is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # A client that stays connected says no more: its thread would be waited for in vain.
        if speaking := self._speaking:
            with suppress(OSError):
                speaking.shutdown(socket.SHUT_RDWR)
        self._serving.join(5)
        self.var.keeper_socket.unlink(missing_ok=True)

    @property
    def mounted(self) -> set[str]:
        return set(self._mounted)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self._speaking = connection
                self._answer_all(connection)

    def _answer_all(self, connection: socket.socket) -> None:
        try:
            for order in read_lines(connection):
                self.orders.append(order)
                write_line(connection, self._answer(order))
        except (LineError, OSError):
            return

    def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.get("op"):
            case "mount":
                return {"ok": False, "error": self.refuse} if self.refuse else {"ok": True, "path": str(self._mount(order["user"]))}
            case "unmount":
                self._mounted.discard(order["user"])
                shutil.rmtree(self.var.views / order["user"], ignore_errors=True)
                return {"ok": True}
            case "status":
                return {"ok": True, "views": [self._view(user) for user in sorted(self._mounted)]}
        return {"ok": False, "error": f"no such order: {order.get('op')!r}"}

    def _view(self, user: str) -> dict[str, Any]:
        trouble = self.troubles.get(user)
        told = {"user": user, "path": str(self.var.views / user), "healthy": trouble is None, "trouble": trouble}
        return told | dict(zip(("worker_pid", "restarts"), self.workers.get(user, ()), strict=False))

    def _mount(self, user: str) -> Path:
        view, home = self.var.views / user, self.var.homes / user
        for path, mode in ((view, 0o755), (home, 0o700), (view / "home", 0o700)):
            path.mkdir(mode=mode, exist_ok=True)
            if self._owner is not None:
                os.chown(path, self._owner(user), self._owner(user))
        self._mounted.add(user)
        return view


class Identities:
    """Follows the hub's identity feed as the real keeper does: who is which number."""

    def __init__(self, var: Var) -> None:
        self._var = var

    def uid(self, user: str) -> int:
        """Return a user's uid, as the feed tells it now."""
        with connect(self._var.identity_socket, 10) as feed:
            write_line(feed, {"op": "subscribe"})
            found = None
            for message in read_lines(feed):
                if message["kind"] == "identity" and message["record"]["name"] == user:
                    found = int(message["record"]["uid"])
                if message["kind"] == "synced":
                    break
        assert found is not None, f"the feed knows no {user}"
        return found
