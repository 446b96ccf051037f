"""Where a token goes, and where it never does."""

import contextlib
from collections.abc import Callable

import pytest
from bowerbird.errors import ServiceError
from bowerbird.vo.results import Answer
from bowerbird.vo.tokens import Tokens

from tests.support.tap_server import Behaviour, Reply

Asked = Callable[..., Answer]


def signed(tap: Behaviour) -> list[bool]:
    return [seen.headers.get("authorization") == "Bearer secret" for seen in tap.seen]


@pytest.mark.parametrize("background", [False, True])
def test_each_request_to_the_service_of_the_token_carries_it(asked: Asked, tap: Behaviour, background: bool) -> None:
    asked(background=background).file.close()
    assert tap.seen
    assert all(signed(tap))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_gets_no_token(asked: Asked, tap: Behaviour, other: Behaviour, status: int) -> None:
    tap.odd = lambda seen: Reply(status, headers={"Location": f"{other.url}/sync"}) if seen.path == "/tap/sync" else None
    with pytest.raises(ServiceError, match="sends the query on to") if status in {307, 308} else contextlib.nullcontext():
        asked().file.close()
    assert tap.seen
    assert not any("secret" in str(seen.headers) or "authorization" in seen.headers for seen in other.seen)
    assert not any(seen.form for seen in other.seen), "neither does the query go there"


def test_a_job_at_another_origin_gets_no_token(asked: Asked, tap: Behaviour, other: Behaviour) -> None:
    tap.odd = lambda seen: Reply(303, headers={"Location": f"{other.url}/async/x"}) if seen.path == "/tap/async" else None
    with pytest.raises(ServiceError):
        asked(background=True)
    assert other.seen
    assert not any("authorization" in seen.headers for seen in other.seen)


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example/services/vo/tapes",
        "http://hub.example/user/eve/services/vo/tap",
        "http://hub.example:81/services/vo/tap/sync",
        "https://hub.example/services/vo/tap/sync",
        "http://eve.example/services/vo/tap/sync",
        "http://hub.example@eve.example/services/vo/tap/sync",
        "http://hub.example/services/vo/tap/../../../user/eve",
        "http://hub.example/services/vo/tap/%2e%2e/%2e%2e/user/eve",
        "http://hub.example\\@eve.example/services/vo/tap",
        "http://hub.example/services/vo/tap/\\..\\..\\user",
        "http://[hub.example/services/vo/tap",
    ],
)
def test_no_other_address_gets_it(url: str) -> None:
    assert Tokens({"http://hub.example/services/vo/tap": "secret"}).headers(url) == {}


@pytest.mark.parametrize("url", ["http://hub.example/services/vo/tap", "http://HUB.example:80/services/vo/tap/async/1?WAIT=1"])
def test_addresses_below_it_do(url: str) -> None:
    assert Tokens({"http://hub.example/services/vo/tap": "secret"}).headers(url) == {"Authorization": "Bearer secret"}


def test_a_token_is_in_no_repr() -> None:
    assert "secret" not in repr(Tokens({"http://hub.example": "secret"}))


def test_the_platform_tells_its_token_and_where_it_goes() -> None:
    told = {"BOWERBIRD_TAP_URL": "http://hub.example/services/vo/tap", "JUPYTERHUB_API_TOKEN": "secret"}
    assert Tokens.of(told).token("http://hub.example/services/vo/tap/sync") == "secret"
    assert Tokens.of({"JUPYTERHUB_API_TOKEN": "secret"}).token("http://hub.example/services/vo/tap/sync") is None


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("http://hub.example/services/vo/sia2/query?POS=x", True),
        ("http://hub.example/services/vo/soda/sync", True),
        ("http://hub.example/services/vo/datalink/links", True),
        ("http://hub.example/services/vo", False),
        ("http://hub.example/services/vo/elsewhere", False),
        ("http://hub.example/sia2/query", False),
        ("http://hub.example/user/eve/sia2/query", False),
        ("https://hub.example/services/vo/sia2/query", False),
    ],
)
def test_a_servers_token_is_for_the_services_of_its_platform_alone(url: str, signed: bool) -> None:
    environment = {"BOWERBIRD_TAP_URL": "http://hub.example/services/vo/tap", "JUPYTERHUB_API_TOKEN": "secret"}
    assert (Tokens.of(environment).token(url) == "secret") is signed
    assert Tokens.of({"BOWERBIRD_TAP_URL": "http://hub.example/services/vo/tables", "JUPYTERHUB_API_TOKEN": "x"}).token(url) is None
