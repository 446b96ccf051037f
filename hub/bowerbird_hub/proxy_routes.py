"""The proxy's routes, which are in its memory alone: a proxy that was started anew is given them at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from jupyterhub.utils import url_path_join

Pause = Callable[[float], Awaitable[None]]

_log = logging.getLogger("bowerbird.hub")
_LOOK_SECONDS = 1.0
_ANSWER = ClientTimeout(total=3)
_NOT_FOUND = 404


async def keep_routes(app: Any, pause: Pause = asyncio.sleep) -> None:
    """Look each second whether the proxy still knows the way to the hub; JupyterHub itself looks every five minutes."""
    owed = told = False
    async with ClientSession(timeout=_ANSWER) as session:
        while True:
            await pause(_LOOK_SECONDS)
            # Until it listens, JupyterHub has still to give the proxy its routes.
            if app.http_server is None:
                continue
            try:
                if not owed and await _is_lost(app, session):
                    _log.warning("the proxy was started anew, and is given its routes")
                    owed = True
                if owed:
                    await app.proxy.check_routes(app.users, app.tornado_settings["services"])
                    owed = told = False
            except (ClientError, OSError):  # it is away; what it is owed then is seen at the next look
                continue
            except Exception:  # what JupyterHub stumbles over, as a server that begins or ends just now, has gone at a later look
                if not told:
                    _log.exception("the proxy has not all of its routes; they are given again each second until it has")
                told = True


async def _is_lost(app: Any, session: ClientSession) -> bool:
    """Tell whether the proxy answers, and has no route to the hub."""
    proxy = app.proxy
    route = url_path_join(proxy.api_url, "api/routes", proxy._routespec_to_chp_path(app.hub.routespec))
    async with session.get(route, headers={"Authorization": f"token {proxy.auth_token}"}) as answer:
        return answer.status == _NOT_FOUND
