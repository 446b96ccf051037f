"""Bound tokens by their signatures: what is plainly good asks the API server nothing, and all else is for it to judge."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.pods import Pod
from bowerbird_hub.nodes.door import Refused, Trust
from bowerbird_hub.nodes.reviews import ApiServer, Bearer, Remembering, TokenReviews
from bowerbird_hub.nodes.signatures import Signatures, keys
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.hub_door import HubDoor

DRIVER, ISSUER = "data.example", "https://kubernetes.default.svc.cluster.local"
PLUGIN, SERVICES = ("bowerbird", "node-plugin"), ("bowerbird", "services")
KEYS = "/openid/v1/jwks"
ANN = Bearer("default", "people", "ann", "uid-of-ann")
# Many tests may run between this and the last of these.
NOW, DAY = time.time(), 86_400
RSA, OTHER_RSA, WEAK = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))
EC = ec.generate_private_key(ec.SECP256R1())
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def text(told: bytes) -> str:
    return urlsafe_b64encode(told).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return text(value.to_bytes(size))


def public(name: str, key: Private) -> dict[str, str]:
    """Return a key as the API server tells it."""
    if isinstance(key, rsa.RSAPrivateKey):
        told = key.public_key().public_numbers()
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": number(told.n, key.key_size // 8), "e": number(told.e, 3)}
    point = key.public_key().public_numbers()
    return {"kty": "EC", "alg": "ES256", "use": "sig", "kid": name, "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}


def claims(**more: Any) -> dict[str, Any]:
    told = {
        "aud": [DRIVER],
        "iss": ISSUER,
        "sub": "system:serviceaccount:people:default",
        "iat": NOW - 1,
        "nbf": NOW - 1,
        "exp": NOW + DAY,
        "kubernetes.io": {
            "namespace": "people",
            "serviceaccount": {"name": "default", "uid": "s"},
            "pod": {"name": "ann", "uid": "uid-of-ann"},
        },
    }
    return {**told, **more}


def token(told: Mapping[str, Any], key: Private = RSA, *, kid: str = "rsa", alg: str = "RS256", **head: Any) -> str:
    """Return a token as the API server signs it."""
    message = ".".join(text(json.dumps(part).encode()) for part in ({"alg": alg, "kid": kid, **head}, told))
    if isinstance(key, rsa.RSAPrivateKey):
        return f"{message}.{text(key.sign(message.encode(), PKCS1v15(), SHA256()))}"
    halves = decode_dss_signature(key.sign(message.encode(), ec.ECDSA(SHA256())))
    return f"{message}.{text(b''.join(half.to_bytes(32) for half in halves))}"


def changed(token: str) -> str:
    """Return a token whose claims are others than those that were signed."""
    head, _, signature = token.split(".")
    return f"{head}.{text(json.dumps(claims(more='')).encode())}.{signature}"


@pytest.fixture
def api() -> Iterator[HubDoor]:
    """An API server that tells its public keys, and takes no token for good."""
    with HubDoor() as api:
        api.pages[KEYS] = json.dumps({"keys": [public("rsa", RSA), public("ec", EC), public("weak", WEAK)]}).encode()
        api.answer = lambda _path, _body: (201, b'{"status": {"authenticated": false}}')
        yield api


@pytest.fixture
def server(api: HubDoor, tmp_path: Path) -> ApiServer:
    own = tmp_path / "hub-token"
    own.write_text(token(claims(sub="system:serviceaccount:bowerbird:hub")))
    return ApiServer(api.url, own)


@pytest.fixture
def signatures(server: ApiServer) -> Signatures:
    return Signatures(server)


@pytest.mark.asyncio
async def test_good_signature_says_whose_pod_it_is_and_asks_for_the_keys_alone(signatures: Signatures, api: HubDoor) -> None:
    for good in (token(claims()), token(claims(), EC, kid="ec", alg="ES256"), token(claims(aud=["another", DRIVER]))):
        assert await signatures.bearer(good, DRIVER) == ANN
    assert [path for path, _, _ in api.asked] == [KEYS]


def bound_to(**more: Any) -> dict[str, Any]:
    return claims(**{"kubernetes.io": {**claims()["kubernetes.io"], **more}})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong",
    [
        lambda: "ann",
        lambda: "",
        lambda: "..",
        lambda: f"{token(claims())[:-4]}AAAA",
        lambda: token(claims(), OTHER_RSA),
        lambda: token(claims(), WEAK, kid="weak"),
        lambda: token(claims(), EC, kid="rsa", alg="ES256"),
        lambda: token(claims(), alg="none"),
        lambda: token(claims(), alg="HS256"),
        lambda: token(claims(), alg="ES256"),
        lambda: token(claims(), kid="unknown"),
        lambda: token(claims(), crit=["exp"]),
        lambda: token(claims(aud=["another"])),
        lambda: token(claims(aud=f"{DRIVER}.elsewhere")),
        lambda: token(claims(iss="https://another.cluster")),
        lambda: token(claims(iss=None)),
        lambda: token(claims(exp=NOW)),
        lambda: token(claims(exp="9")),
        lambda: token(claims(nbf=NOW + DAY)),
        lambda: token(claims(sub="system:serviceaccount:people:another")),
        lambda: token(claims(**{"kubernetes.io": None})),
        lambda: token(bound_to(pod=None)),
        lambda: token(bound_to(pod={"name": "ann", "uid": ""})),
        lambda: token(bound_to(pod={"name": ["ann"], "uid": "uid-of-ann"})),
        lambda: token(bound_to(namespace="elsewhere")),
        lambda: token(claims(more="x" * 20_000)),
        lambda: changed(token(claims())),
    ],
)
async def test_all_else_is_not_for_signatures_to_say(signatures: Signatures, wrong: Callable[[], str]) -> None:
    assert await signatures.bearer(token(claims()), DRIVER) == ANN
    assert await signatures.bearer(wrong(), DRIVER) is None


@pytest.mark.asyncio
async def test_without_keys_or_an_issuer_nothing_is_said(server: ApiServer, api: HubDoor) -> None:
    del api.pages[KEYS]
    api.feed = lambda send: send(b"no JSON")
    assert await Signatures(server).bearer(token(claims()), DRIVER) is None
    api.pages[KEYS] = json.dumps({"keys": [public("rsa", RSA)]}).encode()
    server.token_file.write_text("of-the-hub")
    assert await Signatures(server).bearer(token(claims()), DRIVER) is None


@pytest.mark.asyncio
async def test_key_that_is_not_known_is_not_asked_for_again_and_again(signatures: Signatures, api: HubDoor) -> None:
    for _ in range(3):
        assert await signatures.bearer(token(claims(), kid="unknown"), DRIVER) is None
    assert len(api.asked) == 1


@pytest.mark.parametrize("told", [None, {}, {"keys": None}, {"keys": [None, {}, {"kty": "RSA"}, {"kty": "oct", "kid": "k", "k": "a"}]}])
def test_keys_of_another_form_are_none(told: Any) -> None:
    assert keys(told) == {}


@pytest.mark.asyncio
async def test_pod_of_a_server_is_known_without_a_review_and_of_the_services_by_one(api: HubDoor, server: ApiServer) -> None:
    trust = Trust(DRIVER, PLUGIN, SERVICES, TokenReviews(server), Signatures(server))
    assert await trust.pod_of(Pod("people", "ann", "uid-of-ann"), token(claims())) == ANN
    with pytest.raises(Refused, match="is not its own"):
        await trust.pod_of(Pod("people", "bob", "uid-of-bob"), token(claims()))
    assert [path for path, _, _ in api.asked] == [KEYS]
    of_services = {"namespace": "bowerbird", "serviceaccount": {"name": "services", "uid": "s"}, "pod": {"name": "vo", "uid": "u"}}
    theirs = token(claims(sub="system:serviceaccount:bowerbird:services", **{"kubernetes.io": of_services}))
    with pytest.raises(Refused, match="is not good"):
        await trust.pod_of(Pod("bowerbird", "vo", "u"), theirs)
    with pytest.raises(Refused, match="is not good"):
        await trust.pod_of(Pod("people", "ann", "uid-of-ann"), token(claims(exp=NOW - 1)))
    assert len(api.asked) == 3


class Reviews:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def review(self, token: str, audience: str) -> Bearer | None:
        self.asked.append((token, audience))
        return ANN if token == "good" else None


@pytest.mark.asyncio
async def test_good_token_is_asked_for_once_in_two_minutes() -> None:
    reviews, at = Reviews(), [time.monotonic()]
    remembering = Remembering(reviews, lambda: at[0])
    for told in ("good", "bad", "good", "bad"):
        assert await remembering.review(told, DRIVER) == (ANN if told == "good" else None)
    assert await remembering.review("good", "another") == ANN
    assert reviews.asked == [("good", DRIVER), ("bad", DRIVER), ("bad", DRIVER), ("good", "another")]
    at[0] += 121
    await remembering.review("good", DRIVER)
    assert len(reviews.asked) == 5
