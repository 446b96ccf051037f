"""What Kubernetes says of a request that it refuses."""

import json

from kubernetes_asyncio.client import ApiException


def said(error: ApiException) -> str:
    """Return Kubernetes' own sentence, or HTTP's word where it has none."""
    try:
        return str(json.loads(error.body or "")["message"]).rstrip(".")
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
