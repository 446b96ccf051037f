"""Whether NetworkPolicies hold in a cluster. Its API tells nobody: it is known by the network's own DaemonSet, or by k3s. Pure."""

import json
from collections.abc import Iterator

from bowerbird_hub.cluster_check.cluster import DAEMON_SETS, NODES, VERSION, Cluster, MayNotRead
from bowerbird_hub.cluster_check.lack import Lack, unknown
from bowerbird_hub.cluster_check.wanted import Wanted

# The DaemonSets of networks that enforce, by what their names begin with.
_ENFORCERS = (
    "anetd",
    "antrea-agent",
    "azure-npm",
    "calico-node",
    "canal",
    "cilium",
    "kube-router",
    "ovnkube-node",
    "rke2-canal",
    "weave-net",
)
# Networks that do not; beside an enforcer they are only its wires.
_BARE = ("kube-flannel", "flannel")
_OWN_ENFORCER_OFF = "--disable-network-policy"
_ARGUMENTS = "k3s.io/node-args"
_WITHOUT = "user pods then reach all that the NetworkPolicies of the chart close: each other, and where a cloud tells its machines secrets"
_REMEDY = "let one that enforces be installed, such as Calico or Cilium"


def network_lacks(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    """Yield that NetworkPolicies do not hold, or that it cannot be told."""
    if not wanted.values.network_policy.enabled:
        return
    try:
        if _is_k3s(cluster):
            yield from _k3s(cluster)
            return
        names = [each["metadata"]["name"] for each in cluster.items(DAEMON_SETS)]
    except MayNotRead:
        yield unknown("whether NetworkPolicies hold, since you may not read DaemonSets or nodes", "ask who made the cluster")
        return
    if any(name.startswith(_ENFORCERS) for name in names):
        return
    bare = next((name for name in names if name.startswith(_BARE)), None)
    if bare:
        yield Lack(f"NetworkPolicies do not hold: the cluster's network is {bare!r}, which enforces none; {_WITHOUT}", _REMEDY)
    else:
        what = "whether NetworkPolicies hold: no DaemonSet of a network that is known to enforce them is seen"
        yield unknown(what, f"ask who made the cluster; {_WITHOUT}")


def _is_k3s(cluster: Cluster) -> bool:
    return "+k3s" in str((cluster.one(VERSION) or {}).get("gitVersion", ""))


def _k3s(cluster: Cluster) -> Iterator[Lack]:
    """k3s enforces by itself, in no pod of its own; the arguments of its servers say where that is switched off."""
    off = [node["metadata"]["name"] for node in cluster.items(NODES) if _OWN_ENFORCER_OFF in _arguments(node["metadata"])]
    if off:
        what = f"NetworkPolicies do not hold: k3s on {off[0]!r} was started with {_OWN_ENFORCER_OFF}; {_WITHOUT}"
        yield Lack(what, f"start k3s without {_OWN_ENFORCER_OFF}")


def _arguments(metadata: object) -> list[str]:
    told = metadata.get("annotations", {}).get(_ARGUMENTS, "[]") if isinstance(metadata, dict) else "[]"
    try:
        return [str(word).partition("=")[0] for word in json.loads(told)]
    except ValueError:
        return []
