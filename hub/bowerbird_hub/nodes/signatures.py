"""Bound tokens, checked by the cluster's public keys: no call to the API server for each.

A signature says which pod a token was made for, and not whether that pod still is there; of its own servers the hub's record says
that. Whatever is not plainly good here is for the API server to judge, so nobody is refused by this file.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import jwt
from bowerbird_hub.nodes.reviews import ApiServer, Bearer, Unanswered
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger("bowerbird.nodes")
_KEYS = "/openid/v1/jwks"
# Keys that the cluster has given up are forgotten by then, and one that is not known is asked for no sooner again.
_OLD_SECONDS, _AGAIN_SECONDS = 600.0, 30.0
_LONGEST_TOKEN = 16 << 10
_WEAKEST_BITS = 2048
# What an API server signs with.
_ALGORITHMS = {"RS256", "ES256"}
_REQUIRED = ["aud", "exp", "iss", "nbf", "sub"]


class Signatures:
    """The cluster's signatures; its keys are asked for when the first token comes, and now and then anew."""

    def __init__(self, api: ApiServer) -> None:
        """Ask that API server."""
        self._api = api
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked: float | None = None
        self._asking = asyncio.Lock()

    async def bearer(self, token: str, audience: str) -> Bearer | None:
        """Return whom a token is of by its signature; None where only the API server can say."""
        issuer = self._issuer()
        if issuer is None or len(token) > _LONGEST_TOKEN:
            return None
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                return None
            claims = jwt.decode(token, key, [key.algorithm_name], audience=audience, issuer=issuer, options={"require": _REQUIRED})
        except jwt.PyJWTError:
            return None
        return bound(claims)

    async def _key(self, name: str) -> jwt.PyJWK | None:
        async with self._asking:
            age = float("inf") if self._asked is None else time.monotonic() - self._asked
            if age > _OLD_SECONDS or (name not in self._keys and age > _AGAIN_SECONDS):
                self._asked = time.monotonic()
                self._keys = await self._ask()
        return self._keys.get(name)

    async def _ask(self) -> dict[str, jwt.PyJWK]:
        try:
            return keys(await self._api.ask("GET", _KEYS))
        except Unanswered as error:
            log.warning("the API server does not give its public keys (%s): each pod's token is for it to review", error)
            return {}

    def _issuer(self) -> str | None:
        # Kubelet gave it to the hub: who signed it is who is to have signed the others.
        try:
            told = jwt.decode(self._api.token(), options={"verify_signature": False}).get("iss")
        except (OSError, ValueError, jwt.PyJWTError):
            return None
        return told if isinstance(told, str) and told else None


def bound(claims: Mapping[str, Any]) -> Bearer | None:
    """Return the pod's bearer that claims speak of; None where they are not those of a pod's token."""
    try:
        told = claims["kubernetes.io"]
        namespace, account = told["namespace"], told["serviceaccount"]["name"]
        parts = (account, namespace, told["pod"]["name"], told["pod"]["uid"])
        fits = claims["sub"] == f"system:serviceaccount:{namespace}:{account}"
    except (KeyError, TypeError):
        return None
    return Bearer(*parts) if fits and all(isinstance(part, str) and part for part in parts) else None


def keys(told: Any) -> dict[str, jwt.PyJWK]:
    """Return the public keys of a JSON Web Key Set by their name; those of a kind that is not known here are left out."""
    try:
        found = jwt.PyJWKSet.from_dict(told).keys
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError) as error:
        log.warning("the API server's public keys cannot be read (%s): each pod's token is for it to review", type(error).__name__)
        return {}
    return {key.key_id: key for key in found if key.key_id and key.algorithm_name in _ALGORITHMS and not _is_weak(key)}


def _is_weak(key: jwt.PyJWK) -> bool:
    return isinstance(key.key, RSAPublicKey) and key.key.key_size < _WEAKEST_BITS
