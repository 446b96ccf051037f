"""Make the platform's own secrets, once: what is there already stays as it is, upgrade after upgrade."""

import argparse
import base64
import secrets
from http import HTTPStatus
from typing import Any

from bowerbird_hub.chart.kube_api import KubeApi, Refused

# The chart's templates name each of these; the test of the chart compares both.
KEYS = ("proxy-token", "cookie-secret", "crypt-key", "culler-token", "services-token", "metrics-token")
_BYTES = 32


def make_secrets(api: KubeApi, namespace: str, name: str) -> tuple[str, ...]:
    """Return the keys that were missing and are there now."""
    place = f"/api/v1/namespaces/{namespace}/secrets"
    try:
        api.ask("POST", place, secret_of(name))
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
    else:
        return KEYS
    found = api.ask("GET", f"{place}/{name}")
    missing = tuple(key for key in KEYS if not (found.get("data") or {}).get(key))
    if missing:
        # The version keeps a second job from putting other secrets in the place of ours.
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        api.ask("PATCH", f"{place}/{name}", {"metadata": version, "data": _made(missing)})
    return missing


def secret_of(name: str) -> dict[str, Any]:
    """Return a Secret of that name with fresh values."""
    labels = {"app.kubernetes.io/name": "bowerbird", "app.kubernetes.io/part-of": "bowerbird"}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name, "labels": labels}, "data": _made(KEYS)}


def _made(keys: tuple[str, ...]) -> dict[str, str]:
    return {key: base64.b64encode(secrets.token_hex(_BYTES).encode()).decode() for key in keys}


def main() -> None:
    """Make what is missing, and say which; never what it is."""
    parser = argparse.ArgumentParser(description="Make the platform's own secrets where they are missing.")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--name", required=True, help="the Secret that holds them")
    arguments = parser.parse_args()
    try:
        made = make_secrets(KubeApi.of_this_pod(), arguments.namespace, arguments.name)
    except Refused as refused:
        raise SystemExit(f"the secrets were not made: {refused}") from None
    print(f"made {', '.join(made)}" if made else f"all secrets are in {arguments.name} already")


if __name__ == "__main__":
    main()
