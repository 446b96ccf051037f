"""What the hub knows of a server that does not answer. The proxy, which knows nothing of it, leads browsers here."""

from typing import Any
from urllib.parse import unquote

from jupyterhub.handlers.base import BaseHandler
from tornado import web

_USER = "/user/"


class NotAnswering(BaseHandler):
    """Says what became of a server to whoever may open it, and leads back to it again and again."""

    @web.authenticated
    async def get(self) -> None:
        """Show the page; a server that the hub does not believe to run has pages of its own."""
        at = _uncounted(self.get_query_argument("at", ""))
        user, spawner = self._server(at)
        if not spawner.ready:
            self.redirect(f"{self.hub.base_url.rstrip('/')}{at}")
            return
        ends = spawner.obituaries.of(user.name)
        html = await self.render_template(
            "not_answering.html",
            server_name=spawner.name,
            end=next((end for end in ends if end.server == spawner.name), None),
            # What is told in the page is not told above it too.
            bad_ends=[end for end in ends if end.server != spawner.name],
            address=f"{user.host}{at}",
        )
        self.set_status(503)
        self.finish(html)

    def _server(self, at: str) -> tuple[Any, Any]:
        """Return the owner and the server whose address that is; 404 where there is none that may be opened."""
        name, _, rest = at.partition("?")[0].removeprefix(_USER).partition("/")
        user = self.find_user(unquote(name)) if at.startswith(_USER) and at.isprintable() else None
        if user is None:
            raise web.HTTPError(404)
        server = unquote(rest.partition("/")[0])
        server = server if server in user.orm_user.orm_spawners else ""
        if not self.has_scope(f"access:servers!server={user.name}/{server}"):
            raise web.HTTPError(404)
        return user, user.spawners[server]


def _uncounted(at: str) -> str:
    """Return an address without the count by which the hub knows a loop of redirects: to wait at a page is none."""
    path, _, query = at.partition("?")
    kept = [part for part in query.split("&") if not part.startswith("redirects=")]
    return "?".join([path, "&".join(kept)] if any(kept) else [path])


HANDLERS: list[tuple[str, type[BaseHandler]]] = [("/not-answering", NotAnswering)]
