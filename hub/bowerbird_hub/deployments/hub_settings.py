"""What a platform's hub is told wherever it runs: JupyterHub's settings without secrets, its sign-on, and what an edit changes."""

import logging
from collections.abc import Mapping
from typing import Any

from bowerbird_config.platform import Platform
from bowerbird_hub.forms import PAGES
from bowerbird_hub.identity.live import Live
from bowerbird_hub.managed import CULLER, VO_SCOPE
from bowerbird_hub.origins import Origins
from bowerbird_hub.page_facts import PageFacts
from bowerbird_hub.runtimes import refusals_in_log
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.platform_spawner import PlatformSpawner
from bowerbird_hub.sign_on.cas import CASAuthenticator
from jupyterhub.app import JupyterHub

Settings = dict[str, dict[str, Any]]

CALLBACK_PATH = "hub/cas/callback"
_DAY_SECONDS = 86_400
_TOKEN_DAYS = 30
# Names without a server cost a row each; what may run at once is `limits.servers_per_user`.
_NAMED_SERVERS = 20
CULLER_ROLE = {"name": CULLER, "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"], "services": [CULLER]}
VO_ROLES = (
    {"name": "user", "scopes": ["self", VO_SCOPE]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", VO_SCOPE]},
)

# Pages load nothing from elsewhere, and stand in no frame. Styles and the few scripts stand in the page itself.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _headers(own: Origins) -> dict[str, str]:
    # A form of the hub may end at a server: at once after a start, and after a permission.
    policy = POLICY.replace("form-action 'self'", f"form-action 'self' {own.of_servers}")
    # Whoever comes to a browser after somebody who signed out goes back to no page of theirs.
    return {**HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}


def settings(platform: Platform, own: Origins) -> Settings:
    """Return the configuration by class and trait that holds wherever the hub runs; without secrets and without live objects."""
    return {
        "JupyterHub": {
            "bind_url": own.home,
            # Each owner's servers have an origin of their own; what stands under no known name goes to `elsewhere`.
            "subdomain_host": own.hub,
            "hub_routespec": f"{own.host}/",
            "cleanup_servers": False,
            "cleanup_proxy": False,
            "template_paths": [str(PAGES)],
            "allow_named_servers": True,
            "named_server_limit_per_user": _NAMED_SERVERS,
            "token_expires_in_max_seconds": _TOKEN_DAYS * _DAY_SECONDS,
            "oauth_require_pkce": True,
            # Without a domain, JupyterHub's cookies are for the host alone that set them, and no server is sent the hub's.
            "tornado_settings": {"headers": _headers(own), "domain": "", "cookie_options": {"samesite": "Lax"}},
            # The prefix keeps other hosts of the domain from setting them; browsers want TLS for it.
            "cookie_host_prefix_enabled": own.scheme == "https",
        },
        "ConfigurableHTTPProxy": {"should_start": False},
        "Authenticator": {"enable_auth_state": True},
        "Spawner": {
            **start_times(platform),
            "poll_interval": 5,
            "consecutive_failure_limit": 0,
            "default_url": "/lab",
        },
    }


def start_times(platform: Platform) -> dict[str, int]:
    """Return how long a start may take, by the traits that say so."""
    seconds = round(platform.limits.start.total_seconds())
    return {"start_timeout": seconds, "http_timeout": seconds}


def with_more(told: Settings, more: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Return the settings with those of one place where the hub runs."""
    return {name: {**traits, **more.get(name, {})} for name, traits in told.items()}


def take(c: Any, told: Settings) -> None:
    """Put settings into JupyterHub's configuration."""
    for name, traits in told.items():
        c[name].update(traits)


def sign_on(c: Any, live: Live, own: Origins, demo_url: str) -> None:
    """Sign people on by the platform's CAS server, or the demo one at `demo_url`."""
    c.JupyterHub.authenticator_class = CASAuthenticator
    c.JupyterHub.subdomain_hook = own.domain
    c.CASAuthenticator.live = live
    c.CASAuthenticator.public_url = own.home
    c.CASAuthenticator.demo_url = demo_url


def spawn_by(c: Any, spawner: type[PlatformSpawner], live: Live, obituaries: Obituaries) -> None:
    """Start servers by that class, and let the pages tell what became of them."""
    c.JupyterHub.spawner_class = spawner
    c[spawner.__name__].live = live
    c[spawner.__name__].obituaries = obituaries
    refusals_in_log.install()
    c.JupyterHub.template_vars = PageFacts(live, obituaries).variables()


def log_with_the_hub() -> None:
    """Let our own lines stand among the hub's, with its time and form."""
    if JupyterHub.initialized():
        ours = logging.getLogger("bowerbird")
        ours.parent = JupyterHub.instance().log
        ours.setLevel(logging.INFO)


def tell_spawners(app: JupyterHub, platform: Platform) -> None:
    """Tell every spawner what an edit has changed, which JupyterHub read at its start."""
    for name, value in start_times(platform).items():
        app.config.Spawner[name] = value
        for user in app.users.values():
            for spawner in user.spawners.values():
                setattr(spawner, name, value)
