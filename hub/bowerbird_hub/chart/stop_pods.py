"""Before an uninstall: end what has a volume of the node plugin while there is one that takes it away."""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bowerbird_hub.chart.kube_api import KubeApi, Refused
from bowerbird_hub.pods import COMPONENT

_PAUSE_SECONDS = 1.0


class NotStopped(Exception):
    """Some pod is still there; the text names it, its node and what helps."""


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
    ends = time.monotonic() + seconds
    had_hub = _delete(api, _deployment(install.namespace, install.hub))
    _await_end(lambda: _pods(api, install, install.namespace, "hub"), ends, pause)
    try:
        servers = _pods(api, install, install.users, COMPONENT)
    except Refused as refused:
        # An install that did not get so far has no such namespace, nor had it a hub that starts servers there.
        if had_hub or refused.status != HTTPStatus.FORBIDDEN:
            raise
        servers = []
    for pod in servers:
        _delete(api, f"{_pods_of(install.users)}/{pod['metadata']['name']}")
    _delete(api, _deployment(install.namespace, install.services))
    _await_end(lambda: _pods(api, install, install.namespace, "services"), ends, pause)
    if servers:
        _await_end(lambda: _pods(api, install, install.users, COMPONENT), ends, pause)
    return len(servers)


def _await_end(left: Callable[[], list[Any]], ends: float, pause: Callable[[float], None]) -> None:
    while pods := left():
        if time.monotonic() >= ends:
            raise NotStopped(
                f"{_named(pods)} did not end in time: where a node is lost, delete its pods by force; then uninstall again, "
                "or with --no-hooks where the node plugin itself is broken"
            )
        pause(_PAUSE_SECONDS)


def _named(pods: Iterable[Any]) -> str:
    return ", ".join(
        f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} on node {pod['spec'].get('nodeName', '(none)')}" for pod in pods
    )


def _deployment(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def _pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _pods(api: KubeApi, install: Install, namespace: str, component: str) -> list[Any]:
    selector = f"app.kubernetes.io/instance={install.release},app.kubernetes.io/component={component}"
    return list(api.ask("GET", f"{_pods_of(namespace)}?labelSelector={selector}")["items"])


def _delete(api: KubeApi, path: str) -> bool:
    """Delete an object; tell whether it was there."""
    try:
        api.ask("DELETE", path)
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
