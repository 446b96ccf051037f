"""A proxy that was started anew is given its routes at once."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from bowerbird_hub.proxy_routes import keep_routes

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]
_TOKEN = "of-the-proxy"


class Proxy:
    """As much of JupyterHub's proxy as is asked, and the proxy itself behind it."""

    auth_token = _TOKEN

    def __init__(self) -> None:
        self.api_url = ""
        self.routes: list[str] = []
        self.given = 0
        self.fails: list[Exception] = []

    def _routespec_to_chp_path(self, routespec: str) -> str:
        return f"/{routespec.rstrip('/')}"

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"token {_TOKEN}"
        return web.json_response({}, status=200 if request.match_info["route"] in self.routes else 404)

    async def check_routes(self, users: Any, services: Any) -> None:
        assert (users, services) == ("users", "services")
        self.given += 1
        self.routes.append("localhost")
        if self.fails:
            raise self.fails.pop()


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy that knows nothing."""
    proxy = Proxy()
    app = web.Application()
    app.add_routes([web.get("/api/routes/{route}", proxy.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.api_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield proxy
    await runner.cleanup()


async def looks(app: Any, count: int) -> None:
    """Let the hub look so many times."""
    left = count

    async def pause(_seconds: float) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_routes(app, pause)


def hub(proxy: Proxy, **more: Any) -> Any:
    told = {"http_server": object(), "users": "users", "tornado_settings": {"services": "services"}, **more}
    return SimpleNamespace(proxy=proxy, hub=SimpleNamespace(routespec="localhost/"), **told)


async def test_proxy_without_a_route_to_the_hub_is_given_all_once(proxy: Proxy) -> None:
    await looks(hub(proxy), 3)
    assert proxy.given == 1


async def test_what_was_given_in_part_is_given_again(proxy: Proxy) -> None:
    proxy.fails = [TimeoutError(), TimeoutError()]
    await looks(hub(proxy), 5)
    assert proxy.given == 3


async def test_server_that_begins_or_ends_meanwhile_keeps_no_other_its_route(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    # What JupyterHub's `add_user` raises of a server that is pending again, and of one that has none any more.
    proxy.fails = [AttributeError("'NoneType' object has no attribute 'host'"), RuntimeError("ann is pending spawn")]
    await looks(hub(proxy), 5)
    assert proxy.given == 3
    assert caplog.text.count("the proxy has not all of its routes") == 1


async def test_proxy_that_is_away_is_looked_for_again(proxy: Proxy) -> None:
    there, proxy.api_url = proxy.api_url, "http://127.0.0.1:1"
    await looks(hub(proxy), 2)
    assert proxy.given == 0
    proxy.api_url = there
    await looks(hub(proxy), 1)
    assert proxy.given == 1


async def test_hub_that_does_not_listen_yet_gives_nothing(proxy: Proxy) -> None:
    await looks(hub(proxy, http_server=None), 2)
    assert proxy.given == 0
