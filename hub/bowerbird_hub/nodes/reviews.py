"""Bound tokens, as the cluster's API server reviews them: TokenReview, and nothing else of Kubernetes."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

# A namespace, and the name of an account, which says whose it is in that namespace alone.
ServiceAccount = tuple[str, str]

_SECONDS = 5.0
# As long as kubelet goes by what it was told of a token.
_REMEMBERED_SECONDS = 120.0
_LONGEST_ANSWER = 1 << 20
_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_POD = "authentication.kubernetes.io/pod-"
_ACCOUNT = "system:serviceaccount:"


class ReviewFailed(Exception):
    """The API server did not say whether a token is good; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a good token is of: a service account, and the pod that it is bound to (empty where it is bound to none)."""

    account: str
    namespace: str
    pod_name: str
    pod_uid: str

    @property
    def service_account(self) -> ServiceAccount:
        """The service account that it is of."""
        return self.namespace, self.account


class Reviewer(Protocol):
    """Says whom tokens are of."""

    async def review(self, token: str, audience: str) -> Bearer | None:
        """Return whom a token is of; None where it is not good, or not for that audience."""


class Unanswered(Exception):
    """The API server gave no answer of use; the text says how that showed, and nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server, asked as the hub; the hub's own token is read anew for each question, as kubelet renews its file."""

    url: str
    token_file: Path = field(default=_IN_POD / "token", repr=False)
    ca_file: Path = _IN_POD / "ca.crt"

    def token(self) -> str:
        """Return the hub's own token; OSError or ValueError where it cannot be read."""
        return self.token_file.read_text(encoding="ascii").strip()

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what it answers, read as JSON; Unanswered where it does not."""
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_LONGEST_ANSWER)
        try:
            request = HTTPRequest(
                f"{self.url}{path}",
                method,
                {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"},
                None if body is None else json.dumps(body),
                ca_certs=str(self.ca_file) if self.url.startswith("https:") else None,
                connect_timeout=_SECONDS,
                request_timeout=_SECONDS,
                follow_redirects=False,
            )
            return json.loads((await client.fetch(request)).body)
        except (HTTPClientError, HTTPTimeoutError, OSError, ValueError) as error:
            # The error's own text may hold what was sent.
            raise Unanswered(type(error).__name__) from None
        finally:
            client.close()


@dataclass(frozen=True, slots=True)
class TokenReviews:
    """What the API server itself says of a token: also whether its pod still is there."""

    api: ApiServer

    async def review(self, token: str, audience: str) -> Bearer | None:
        """Return whom a token is of; None where it is not good. ReviewFailed where that cannot be said."""
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        try:
            return bearer(await self.api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", asked), audience)
        except Unanswered as error:
            raise ReviewFailed(f"the API server did not review a token ({error})") from None


class Remembering:
    """A reviewer that asks once for a token that comes again within two minutes; one that is not good is asked for each time."""

    def __init__(self, reviewer: Reviewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._reviewer = reviewer
        self._clock = clock
        self._good: dict[bytes, tuple[float, Bearer]] = {}

    async def review(self, token: str, audience: str) -> Bearer | None:
        """Return whom a token is of; None where it is not good. ReviewFailed where that cannot be said."""
        now = self._clock()
        self._good = {key: known for key, known in self._good.items() if known[0] > now}
        # Not the token itself, which is nobody's to find in this process.
        key = hashlib.sha256(f"{audience} {token}".encode()).digest()
        if key in self._good:
            return self._good[key][1]
        found = await self._reviewer.review(token, audience)
        if found is not None:
            self._good[key] = (now + _REMEMBERED_SECONDS, found)
        return found


def bearer(review: Any, audience: str) -> Bearer | None:
    """Return whom a reviewed token is of; None where it is not good, or the answer is of another form."""
    try:
        status = review["status"]
        if status.get("authenticated") is not True or audience not in status.get("audiences", []):
            return None
        name, extra = status["user"]["username"], status["user"].get("extra") or {}
        namespace, _, account = name.removeprefix(_ACCOUNT).partition(":")
        if not name.startswith(_ACCOUNT) or not account:
            return None
        pod_name, pod_uid = (_only(extra.get(f"{_POD}{part}")) for part in ("name", "uid"))
    except (KeyError, TypeError, AttributeError):
        return None
    return Bearer(account, namespace, pod_name, pod_uid)


def _only(values: Any) -> str:
    return values[0] if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) else ""
