"""Bound tokens, checked by the cluster's public keys: no call to the API server for each.

A signature says which pod a token was made for, and not whether that pod still is there; of its own servers the hub's record says
that. Whatever is not plainly good here is for the API server to judge, so nobody is refused by this file.
"""

import asyncio
import json
import logging
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bowerbird_hub.nodes.reviews import ApiServer, Bearer, Unanswered
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

log = logging.getLogger("bowerbird.nodes")
_KEYS = "/openid/v1/jwks"
# Keys that the cluster has given up are forgotten by then, and one that is not known is asked for no sooner again.
_OLD_SECONDS, _AGAIN_SECONDS = 600.0, 30.0
# A token is made a moment ago, by the clock of another machine.
_SKEW_SECONDS = 60.0
_LONGEST_TOKEN = 16 << 10
_WEAKEST_BITS = 2048
_ES256_BYTES = 64

Key: TypeAlias = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Signed:
    """A token as it was written: which key signed what, and how."""

    algorithm: str
    key: str
    message: bytes
    signature: bytes
    claims: Mapping[str, Any]

    @classmethod
    def read(cls, token: str) -> "Signed | None":
        """Read a JSON Web Token in its compact form; None where it is none."""
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            head, claims, signature = token.split(".")
            told, claimed = json.loads(_bytes(head)), json.loads(_bytes(claims))
            if not isinstance(claimed, dict) or "crit" in told:
                return None
            return cls(str(told["alg"]), str(told["kid"]), f"{head}.{claims}".encode("ascii"), _bytes(signature), claimed)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def by(self, key: Key) -> bool:
        """Tell whether that key signed it."""
        try:
            match key, self.algorithm:
                case RSAPublicKey(), "RS256":
                    key.verify(self.signature, self.message, PKCS1v15(), SHA256())
                case EllipticCurvePublicKey(), "ES256" if len(self.signature) == _ES256_BYTES:
                    halves = self.signature[: _ES256_BYTES // 2], self.signature[_ES256_BYTES // 2 :]
                    key.verify(encode_dss_signature(*(int.from_bytes(half) for half in halves)), self.message, ECDSA(SHA256()))
                case _:
                    return False
        except InvalidSignature:
            return False
        return True


class Signatures:
    """The cluster's signatures; its keys are asked for when the first token comes, and now and then anew."""

    def __init__(self, api: ApiServer, clock: Callable[[], float] = time.time) -> None:
        """Ask that API server; `clock` is the wall clock, in seconds."""
        self._api = api
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._asked: float | None = None
        self._asking = asyncio.Lock()

    async def bearer(self, token: str, audience: str) -> Bearer | None:
        """Return whom a token is of by its signature; None where only the API server can say."""
        signed = Signed.read(token)
        if signed is None:
            return None
        key = await self._key(signed.key)
        if key is None or not signed.by(key):
            return None
        return bound(signed.claims, self._issuer(), audience, self._clock())

    async def _key(self, name: str) -> Key | None:
        async with self._asking:
            age = float("inf") if self._asked is None else time.monotonic() - self._asked
            if age > _OLD_SECONDS or (name not in self._keys and age > _AGAIN_SECONDS):
                self._asked = time.monotonic()
                self._keys = await self._ask()
        return self._keys.get(name)

    async def _ask(self) -> dict[str, Key]:
        try:
            return keys(await self._api.ask("GET", _KEYS))
        except Unanswered as error:
            log.warning("the API server does not give its public keys (%s): each pod's token is for it to review", error)
            return {}

    def _issuer(self) -> object:
        # Kubelet gave it to the hub: who signed it is who is to have signed the others.
        try:
            own = Signed.read(self._api.token())
        except (OSError, ValueError):
            return None
        return own.claims.get("iss") if own is not None else None


def bound(claims: Mapping[str, Any], issuer: object, audience: str, now: float) -> Bearer | None:
    """Return the pod's bearer that claims speak of; None where they are not those of a pod's token for that audience, at that time."""
    try:
        told = claims["kubernetes.io"]
        namespace, account = told["namespace"], told["serviceaccount"]["name"]
        parts = (account, namespace, told["pod"]["name"], told["pod"]["uid"])
        fits = (
            isinstance(issuer, str)
            and claims["iss"] == issuer
            and claims["sub"] == f"system:serviceaccount:{namespace}:{account}"
            and isinstance(claims["aud"], list)
            and audience in claims["aud"]
            and claims["nbf"] - _SKEW_SECONDS <= now < claims["exp"]
        )
    except (KeyError, TypeError):
        return None
    return Bearer(*parts) if fits and all(isinstance(part, str) and part for part in parts) else None


def keys(told: Any) -> dict[str, Key]:
    """Return the public keys of a JSON Web Key Set by their name; those of a kind that is not known here are left out."""
    found: dict[str, Key] = {}
    entries = told.get("keys") if isinstance(told, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        try:
            key = _public(entry)
            if key is not None:
                found[str(entry["kid"])] = key
        except (ValueError, KeyError, TypeError, UnsupportedAlgorithm):
            log.warning("one of the API server's public keys cannot be read")
    return found


def _public(entry: Mapping[str, Any]) -> Key | None:
    match entry["kty"]:
        case "RSA":
            key = RSAPublicNumbers(_number(entry["e"]), _number(entry["n"])).public_key()
            return key if key.key_size >= _WEAKEST_BITS else None
        case "EC" if entry["crv"] == "P-256":
            return EllipticCurvePublicNumbers(_number(entry["x"]), _number(entry["y"]), SECP256R1()).public_key()
    return None


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))


def _bytes(text: str) -> bytes:
    """Return what is written in base64url, which has no padding there."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
