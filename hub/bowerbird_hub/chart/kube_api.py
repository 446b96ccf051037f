"""The few questions that the chart's jobs ask Kubernetes, as the ServiceAccount of their pod."""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 10


class Refused(Exception):
    """Kubernetes refused a request; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class KubeApi:
    """The API server, and the token that we are known by."""

    url: str
    token: str
    context: ssl.SSLContext | None = None

    @classmethod
    def of_this_pod(cls, environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> "KubeApi":
        """Return the API as a pod finds it."""
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
        shown = f"[{host}]" if ":" in host else host
        context = ssl.create_default_context(cafile=str(account / "ca.crt"))
        return cls(f"https://{shown}:{port}", (account / "token").read_text().strip(), context)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of one request; Refused where there is none."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data=data, headers=headers, method=method)  # noqa: S310  # the API server's
        try:
            with urlopen(request, timeout=_SECONDS, context=self.context) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            raise Refused(error.code, _message(error)) from error


def _message(error: HTTPError) -> str:
    """Return Kubernetes' own sentence; never the body of a request."""
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
