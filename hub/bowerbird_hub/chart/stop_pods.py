"""Before an uninstall: end what has a volume of the node plugin while there is one that takes it away."""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from bowerbird_hub.chart.kube_api import KubeApi, Refused
from bowerbird_hub.pods import COMPONENT

_PAUSE_SECONDS = 1.0


class NotStopped(Exception):
    """Some pod is still there, or may be; the text names it, its node and what helps."""


@dataclass(frozen=True, slots=True)
class _Patient:
    """An API server that is asked until it answers: what was begun is not left in the middle because it is away for a moment."""

    api: KubeApi
    ends: float
    pause: Callable[[float], None]

    def ask(self, method: str, path: str) -> Any:
        """Return the answer; Refused where that is one, NotStopped where there is none in time."""
        while True:
            try:
                return self.api.ask(method, path)
            except (Refused, OSError, HTTPException) as error:
                if isinstance(error, Refused) and not _passes(error.status):
                    raise
                if time.monotonic() >= self.ends:
                    raise NotStopped(f"the cluster does not answer ({error}): uninstall again when it does") from error
            self.pause(_PAUSE_SECONDS)

    def await_end(self, left: Callable[[], list[Any]]) -> None:
        """Return when no pod is left; NotStopped where that takes too long."""
        while pods := left():
            if time.monotonic() >= self.ends:
                raise NotStopped(
                    f"{_named(pods)} did not end in time: where a node is lost, delete its pods by force; then uninstall again, "
                    "or with --no-hooks where the node plugin itself is broken"
                )
            self.pause(_PAUSE_SECONDS)


def _passes(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Install:
    """A release's name, its namespaces, and its two deployments with what is to end."""

    release: str
    namespace: str
    users: str
    hub: str
    services: str


def stop_pods(api: KubeApi, install: Install, seconds: float, pause: Callable[[float], None] = time.sleep) -> int:
    """End the hub, which starts servers; then servers and services. Return how many servers ran; NotStopped where it takes longer."""
    asked = _Patient(api, time.monotonic() + seconds, pause)
    had_hub = _delete(asked, _deployment(install.namespace, install.hub))
    asked.await_end(lambda: _pods(asked, install, install.namespace, "hub"))
    try:
        servers = _pods(asked, install, install.users, COMPONENT)
    except Refused as refused:
        # An install that did not get so far has no such namespace, nor had it a hub that starts servers there.
        if had_hub or refused.status != HTTPStatus.FORBIDDEN:
            raise
        servers = []
    for pod in servers:
        _delete(asked, f"{_pods_of(install.users)}/{pod['metadata']['name']}")
    _delete(asked, _deployment(install.namespace, install.services))
    asked.await_end(lambda: _pods(asked, install, install.namespace, "services"))
    if servers:
        asked.await_end(lambda: _pods(asked, install, install.users, COMPONENT))
    return len(servers)


def _named(pods: Iterable[Any]) -> str:
    return ", ".join(
        f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} on node {pod['spec'].get('nodeName', '(none)')}" for pod in pods
    )


def _deployment(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def _pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _pods(asked: _Patient, install: Install, namespace: str, component: str) -> list[Any]:
    selector = f"app.kubernetes.io/instance={install.release},app.kubernetes.io/component={component}"
    return list(asked.ask("GET", f"{_pods_of(namespace)}?labelSelector={selector}")["items"])


def _delete(asked: _Patient, path: str) -> bool:
    """Delete an object; tell whether it was there."""
    try:
        asked.ask("DELETE", path)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def main() -> None:
    """Stop them, and end with a sentence."""
    parser = argparse.ArgumentParser(description="End the hub, people's servers and the services, before the node plugin goes.")
    parser.add_argument("--release", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--users", required=True, help="the namespace of servers")
    parser.add_argument("--hub", required=True, help="the hub's Deployment")
    parser.add_argument("--services", required=True, help="that of the services")
    parser.add_argument("--seconds", type=float, required=True)
    told = parser.parse_args()
    install = Install(told.release, told.namespace, told.users, told.hub, told.services)
    try:
        servers = stop_pods(KubeApi.of_this_pod(), install, told.seconds)
    except (NotStopped, Refused) as error:
        raise SystemExit(str(error)) from None
    print(f"hub, services and {servers} servers have ended")


if __name__ == "__main__":
    main()
