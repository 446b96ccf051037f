"""What the proxy has no route for: another name of the platform's host, or a server that does not run."""

from typing import Any

from bowerbird_hub.fetch_metadata import behind_the_page
from bowerbird_hub.origins import ELSEWHERE
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join

# Failed Dependency: JupyterHub says so of a server that does not run, and JupyterLab knows it from there.
_NOT_RUNNING = 424


class Elsewhere(BaseHandler):
    """Leads a person to the hub, and tells a page that no server answers it."""

    def check_xsrf_cookie(self) -> None:
        """Ask for no XSRF token: nothing is done here."""

    async def prepare(self) -> None:
        """Look for nobody: the cookies of another host say nothing here."""

    def get(self) -> None:
        """Send the browser to the same path under the hub's name; what a page asks for behind it has no use for one."""
        if behind_the_page(self.request.headers):
            self.put()
            return
        # As it came: what is decoded here could be more than a path.
        asked = (self.request.uri or "").removeprefix(url_path_join(self.hub.base_url, ELSEWHERE))
        self.redirect(f"{self._origin}/{asked.lstrip('/')}")

    def put(self) -> None:
        """Say that no server answers here."""
        self.set_status(_NOT_RUNNING)
        self.finish({"message": f"No server runs at this address. Servers are started at {self._origin}/"})

    head = get
    post = delete = patch = options = put

    @property
    def _origin(self) -> str:
        public: Any = self.settings["public_url"]
        return f"{public.scheme}://{public.netloc}"


HANDLERS: list[tuple[str, type[BaseHandler]]] = [(rf"/{ELSEWHERE}(?:/.*)?", Elsewhere)]
