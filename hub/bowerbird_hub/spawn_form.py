"""The form of a named server's start: a server of which nothing but the form was seen leaves no record."""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import SpawnHandler


class SpawnForm(SpawnHandler):
    """JupyterHub's own form; JupyterHub records a server when it shows that, and not when the server is started."""

    async def _get(self, user_name: str, server_name: str, display_name: str) -> None:
        user = self.find_user(user_name)
        # What another request has recorded is that one's: it may be about to start it.
        fresh = user is not None and server_name not in user.orm_user.orm_spawners
        try:
            await super()._get(user_name=user_name, server_name=server_name, display_name=display_name)
        finally:
            if fresh:
                _forget_unstarted(user, server_name)


def _forget_unstarted(user: Any, name: str) -> None:
    """Remove a server's record where no start of it was ever asked for, and no name beside its own would be lost."""
    record, spawner = user.orm_user.orm_spawners.get(name), user.spawners.get(name)
    if record is None or spawner is None or spawner.active or spawner._spawn_future is not None:
        return
    if record.server is None and not record.state and not record.user_options and record.display_name == name:
        user.spawners.pop(name)
        user.db.delete(record)
        user.db.commit()


HANDLERS: list[tuple[str, type[BaseHandler]]] = [("/spawn/([^/]+)/([^/]+)", SpawnForm)]
