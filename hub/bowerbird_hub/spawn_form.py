"""The form of a start: to look at it makes no server, and who starts one that starts or runs already is led to it."""

from typing import Any

from bowerbird_hub.runtimes.platform_spawner import refusal_of_link
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope

# What the hub takes of a link for itself.
_OWN = {"next", "display_name"}


class SpawnForm(SpawnHandler):
    """JupyterHub's own form; JupyterHub records a server when it shows that, and not when the server is started.

    A record that is made for a look and taken away after it may be the one with which another request starts the server meanwhile.
    """

    @needs_scope("servers")  # type: ignore[untyped-decorator]  # JupyterHub's
    async def _get(self, user_name: str, server_name: str, display_name: str) -> None:
        user = self.find_user(user_name)
        # With these the link starts the server at once.
        options = self.request.query_arguments.keys() - _OWN
        refusal = refusal_of_link(self.request.headers) if options else None
        known = user is None or server_name in user.orm_user.orm_spawners
        # A name beside the server's own is kept in the record and nowhere else.
        if known or display_name != server_name or (options and refusal is None):
            await super()._get(user_name=user_name, server_name=server_name, display_name=display_name)
            return
        await self._check_named_server_request(user, server_name, display_name)
        if refusal is not None:
            self.set_status(refusal.status_code)
        said = refusal.jupyterhub_message if refusal else ""
        self.finish(await self._render_form(user, user.spawner.form(last=None), said))

    @needs_scope("servers")  # type: ignore[untyped-decorator]  # JupyterHub's
    async def _post(self, user_name: str, server_name: str, display_name: str) -> None:
        user = self.find_user(user_name)
        spawner = user.spawners[server_name] if user is not None and server_name in user.spawners else None
        if spawner is not None and (spawner.ready or spawner.pending == "spawn"):
            self.redirect(self._get_pending_url(user, server_name))
        else:
            await super()._post(user_name=user_name, server_name=server_name, display_name=display_name)

    async def spawn_single_user(self, user: Any, server_name: str = "", display_name: str = "", options: Any = None) -> None:
        """Start the server; where another request has just begun to, that is the start."""
        # No await between the look and JupyterHub's own, which calls a second start a fault of the hub's.
        if server_name not in user.spawners or user.spawners[server_name].pending != "spawn":
            await super().spawn_single_user(user, server_name, display_name, options)


HANDLERS: list[tuple[str, type[BaseHandler]]] = [(f"/spawn{of}", SpawnForm) for of in ("", "/([^/]+)", "/([^/]+)/([^/]+)")]
