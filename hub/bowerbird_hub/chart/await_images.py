"""Wait until every node has every image, so that an upgrade begins with all of them at hand."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping

from bowerbird_hub.chart.kube_api import KubeApi, Refused

_PAUSE_SECONDS = 2.0
_NONE_IS_NAMED = "the others pull them still, or take no pod; prePull.timeoutSeconds gives them longer"


class NotPulled(Exception):
    """Some node has not all images in time; the text says how many, and which cannot be pulled."""


def await_images(api: KubeApi, namespace: str, name: str, seconds: float, pause: Callable[[float], None] = time.sleep) -> int:
    """Return how many nodes have all images; NotPulled where that takes longer than `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        found = api.ask("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}")
        status = found.get("status") or {}
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        # Before the controller has seen it, it wants no node at all.
        if status.get("observedGeneration") == found["metadata"]["generation"] and ready >= wanted:
            return int(ready)
        if time.monotonic() >= ends:
            selector = found["spec"]["selector"]["matchLabels"]
            lacking = "; ".join(sorted(_lacking(api, namespace, selector))) or _NONE_IS_NAMED
            raise NotPulled(f"after {seconds:.0f} s {ready} of {wanted} nodes have all images: {lacking}")
        pause(_PAUSE_SECONDS)


def _lacking(api: KubeApi, namespace: str, selector: Mapping[str, str]) -> Iterator[str]:
    """Yield which image cannot be pulled on which node, in the words of Kubernetes."""
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    for pod in api.ask("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}")["items"]:
        status = pod.get("status") or {}
        for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            waiting = each.get("state", {}).get("waiting") or {}
            if "Image" in waiting.get("reason", ""):
                yield f"{pod['spec']['nodeName']} has no {each['image']} ({waiting.get('message') or waiting['reason']})"


def main() -> None:
    """Wait, and end with a sentence."""
    parser = argparse.ArgumentParser(description="Wait until every node has every image.")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--name", required=True, help="the DaemonSet that pulls them")
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    try:
        nodes = await_images(KubeApi.of_this_pod(), arguments.namespace, arguments.name, arguments.seconds)
    except (NotPulled, Refused) as error:
        raise SystemExit(str(error)) from None
    print(f"{nodes} nodes have all images")


if __name__ == "__main__":
    main()
