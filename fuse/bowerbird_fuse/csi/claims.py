"""What a pod asks for, as kubelet says it: which pod, and the token that proves it; and what the hub answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowerbird_config.pods import Pod

from bowerbird_fuse.csi.errors import Malformed
from bowerbird_fuse.csi.targets import Target

_PREFIX = "csi.storage.k8s.io/"
_TOKENS = f"{_PREFIX}serviceAccount.tokens"
_LAYOUT = "layout"
# What a volume has in it, and where (contents.py).
LAYOUT = "1"


@dataclass(frozen=True, slots=True)
class Claim:
    """One volume that a pod asks for; the token is the pod's own, for nobody but us and the hub.

    `storage` is the mark of the node's storage, where the pod is to write on it.
    """

    volume: str
    target: Target
    pod: Pod
    read_only: bool
    token: str = field(repr=False)
    storage: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose pod it is, in the hub's words, and what else the user is to find in the volume: texts by file name.

    `secrets` are for `uid` alone.
    """

    user: str
    uid: int
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def parse(request: Any, pods: Path, driver: str) -> Claim:
    """Return what a NodePublishVolumeRequest asks for; Malformed where kubelet cannot have made it."""
    context = dict(request.volume_context)
    if not request.volume_id:
        raise Malformed("the volume has no name")
    if context.get(f"{_PREFIX}ephemeral") != "true":
        raise Malformed("the volume is no ephemeral inline volume: a pod names it under `csi:` in its own `volumes`")
    target = Target.parse(pods, request.target_path)
    pod = Pod(*(_needed(context, f"{_PREFIX}pod.{part}") for part in ("namespace", "name", "uid")))
    if pod.uid != target.pod_uid:
        raise Malformed(f"the directory {target} is not one of pod {pod}")
    _check_layout(context)
    return Claim(request.volume_id, target, pod, request.readonly, _token(context, driver))


def _needed(context: Mapping[str, str], name: str) -> str:
    value = context.get(name)
    if not value:
        raise Malformed(f"kubelet says no {name}: the CSIDriver must have podInfoOnMount")
    return value


def _check_layout(context: Mapping[str, str]) -> None:
    # What else is among the attributes says nothing: whose pod it is, is not the pod's to say.
    asked = context.get(_LAYOUT, LAYOUT)
    if asked != LAYOUT:
        raise Malformed(
            f"the volume is to have layout {asked!r}, and the node plugin of this node knows {LAYOUT} only: is it older than the hub?"
        )


def _token(context: Mapping[str, str], driver: str) -> str:
    try:
        token = json.loads(context[_TOKENS])[driver]["token"]
    except (KeyError, ValueError, TypeError):
        # Not chained: the error could hold the token itself.
        raise Malformed(f"kubelet hands over no token of the pod for {driver}: the CSIDriver must have it under tokenRequests") from None
    if not isinstance(token, str) or not token:
        raise Malformed(f"the token of the pod for {driver} is none")
    return token
