"""A browser's sign-in at the hub: its proof, its cookies, and what becomes of one that the hub does not confirm."""

import base64
import hashlib

import httpx
import pytest
from bowerbird_services.identity import Away
from bowerbird_services.pages.sign_in import Application, SignIn
from bowerbird_services.vo.dali import Fault
from starlette.requests import Request
from starlette.responses import Response


async def back_from(public: str, hub: httpx.MockTransport) -> tuple[Response, Response]:
    """Sign in at a hub that is played; return what sends there, and what the way back is answered."""
    async with httpx.AsyncClient(transport=hub) as client:
        sign_in = SignIn(Application("service-vo", "secret", "http://127.0.0.1:9/hub/api", f"{public}/services/vo"), client)
        there = await sign_in.begin(Request({"type": "http", "headers": [], "query_string": b"next=tables/demo_dr1.stars"}))
        state = httpx.URL(there.headers["location"]).params["state"]
        cookie = there.headers["set-cookie"].partition(";")[0].encode()
        scope = {"type": "http", "headers": [(b"cookie", cookie)], "query_string": f"state={state}&code=once".encode()}
        return there, await sign_in.end(Request(scope))


@pytest.mark.asyncio
async def test_token_of_a_sign_in_stands_in_a_cookie_of_this_host_alone_and_in_no_address() -> None:
    asked: dict[str, str] = {}

    def hub(request: httpx.Request) -> httpx.Response:
        asked.update(httpx.QueryParams(request.content.decode()))
        return httpx.Response(200, json={"access_token": "the token"})

    there, back = await back_from("https://data.example.org", httpx.MockTransport(hub))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert httpx.URL(there.headers["location"]).params["code_challenge"] == challenge
    assert (asked["code"], asked["client_secret"]) == ("once", "secret")
    assert back.headers["location"] == "/services/vo/tables/demo_dr1.stars"
    kept = next(value for value in back.headers.getlist("set-cookie") if "the token" in value)
    assert kept.startswith("__Host-bowerbird-vo=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(kept.split("; "))
    assert "Domain" not in kept


@pytest.mark.asyncio
async def test_hub_that_is_away_or_knows_no_such_sign_in_signs_nobody_in() -> None:
    with pytest.raises(Away):
        await back_from("http://localhost", httpx.MockTransport(lambda _: httpx.Response(502)))
    with pytest.raises(Fault, match="begin it again"):
        await back_from("http://localhost", httpx.MockTransport(lambda _: httpx.Response(400)))
