"""Orders to the data keeper: mount somebody's view, unmount it, tell what is mounted."""

import asyncio
import json
from pathlib import Path
from typing import Any

from bowerbird_config.sockets import MAX_LINE, connect, encode

_CONNECT_SECONDS = 5.0


class KeeperError(Exception):
    """The keeper did not do what it was asked; the text is a sentence that says why."""


class KeeperClient:
    """Speaks to the keeper at a socket, one connection an order."""

    def __init__(self, path: Path, timeout_seconds: float = 30.0) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    async def mount(self, user: str) -> Path:
        """Mount the user's view, unless it is mounted, and return its path when it answers."""
        answer = await self._order({"op": "mount", "user": user})
        return Path(str(answer["path"]))

    async def unmount(self, user: str) -> None:
        """Unmount the user's view, where it is mounted."""
        await self._order({"op": "unmount", "user": user})

    async def views(self) -> tuple[str, ...]:
        """Return the names of the users whose views are mounted."""
        return tuple(str(view["user"]) for view in (await self._order({"op": "status"})).get("views", []))

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._exchange(encode(order))
        except TimeoutError as error:
            raise KeeperError(f"the data keeper did not answer within {self._timeout_seconds:.0f} s") from error
        except (OSError, ValueError) as error:
            raise KeeperError(f"the data keeper cannot be reached ({error})") from error
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            raise KeeperError(str(answer.get("error") if isinstance(answer, dict) else "the data keeper gave an answer of a wrong form"))
        return answer

    async def _exchange(self, line: bytes) -> Any:
        connection = await asyncio.to_thread(connect, self._path, _CONNECT_SECONDS)
        connection.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE)
        try:
            writer.write(line)
            await writer.drain()
            return json.loads(await reader.readline())
        finally:
            writer.close()
