"""Who looks at a page of a service of ours: told to the service by OAuth where somebody is signed in, and nobody is asked to."""

from urllib.parse import urlencode

from bowerbird_hub.managed import SIGNED_IN, VO_PATH
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join


class WhoLooks(BaseHandler):
    """Leads whoever is signed in on to the authorisation that was asked for, and anybody else back."""

    def get(self) -> None:
        """Answer as OpenID Connect does a request with prompt=none (Core 1.0, section 3.1.2.1), which JupyterHub does not know."""
        if self.current_user:
            self.redirect(f"{url_path_join(self.hub.base_url, 'api/oauth2/authorize')}?{self.request.query}")
            return
        # The one address that is asked from; one out of the request could be anybody's.
        told = {"error": "login_required", "state": self.get_query_argument("state", "")}
        self.redirect(f"{self.settings['subdomain_host']}/{VO_PATH}/{SIGNED_IN}?{urlencode(told)}")


HANDLERS: list[tuple[str, type[BaseHandler]]] = [("/who-looks", WhoLooks)]
