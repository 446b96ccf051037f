"""Orders to the keeper of this node: mount somebody's view, unmount it, tell which are mounted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bowerbird_config import sockets

from bowerbird_fuse.csi.errors import Away

# Longer than the keeper takes to say that the hub has not said who somebody is.
_SECONDS = 30.0


class KeeperOrders:
    """Speaks to the keeper at its socket, one connection an order; Away where it does not do as it is told."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def mount(self, user: str) -> None:
        """Mount the user's view, unless it is mounted."""
        self._order({"op": "mount", "user": user})

    def unmount(self, user: str) -> None:
        """Unmount the user's view, where it is mounted."""
        self._order({"op": "unmount", "user": user})

    def users(self) -> set[str]:
        """Return the names of those whose views are mounted."""
        return {str(view["user"]) for view in self.views()}

    def views(self) -> list[dict[str, Any]]:
        """Return what the keeper says of each view that is mounted."""
        return list(self._order({"op": "status"}).get("views", []))

    def _order(self, order: Mapping[str, str]) -> dict[str, Any]:
        try:
            with sockets.connect(self._socket, _SECONDS) as connection:
                sockets.write_line(connection, order)
                answer = next(sockets.read_lines(connection), {})
        except (OSError, ValueError) as error:
            raise Away(f"the data keeper of this node cannot be reached ({error})") from error
        if answer.get("ok") is not True:
            raise Away(str(answer.get("error", "the data keeper of this node ended before it answered")))
        return answer
