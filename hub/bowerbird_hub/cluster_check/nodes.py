"""Which nodes take a pod, and whether they are large enough for the profiles. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from bowerbird_config.kubernetes import Placement, Toleration
from bowerbird_config.model import format_size, parse_moment
from bowerbird_config.profiles import Profile
from bowerbird_hub.cluster_check.cluster import LEASES, NODES, Cluster, MayNotRead
from bowerbird_hub.cluster_check.lack import Lack, unknown, unreadable
from bowerbird_hub.cluster_check.wanted import Manifest, Wanted

_QUANTITY = re.compile(r"(?P<number>[0-9.]+)(?P<unit>[A-Za-z]*)(?P<exponent>[eE][0-9]+)?")
_SUFFIXES = "kMGTPE"
_KEEPS_OFF = frozenset({"NoSchedule", "NoExecute"})

# Of a second that the Date of HTTP leaves out, of the way there and back, and of what NTP leaves.
_CLOCKS_APART = timedelta(seconds=10)
# A node renews its lease every 10 s, and is called Ready for 40 s after the last time.
_LEASE_BEHIND = timedelta(seconds=60)


def amount(quantity: str) -> Decimal:
    """Return a quantity of Kubernetes, such as 500m or 2Gi, as a number."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, unit = Decimal(found["number"] + (found["exponent"] or "")), found["unit"]
    if unit == "m":
        return number / 1000
    if not unit:
        return number
    base = 1024 if unit.endswith("i") else 1000
    return number * Decimal(base) ** (_SUFFIXES.lower().index(unit[0].lower()) + 1)


def takers(placement: Placement, nodes: Iterable[Manifest]) -> list[Manifest]:
    """Return the nodes on which a pod may run."""
    return [node for node in nodes if _has_labels(placement, node) and not any(_keeps_off(taint, placement) for taint in _taints(node))]


def nodes_of_users(wanted: Wanted, nodes: list[Manifest]) -> set[str]:
    """Return the names of the nodes that some profile's pods may run on."""
    profiles = wanted.values.platform.profiles
    return {node["metadata"]["name"] for profile in profiles for node in takers(wanted.settings.placement(profile), nodes)}


def profile_lacks(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    """Yield the profiles that no node can run."""
    try:
        nodes = cluster.items(NODES)
    except MayNotRead:
        yield unreadable("nodes, so whether a profile fits on one")
        return
    for name, profile in wanted.values.platform.profiles.items():
        placement = wanted.settings.placement(name)
        found = takers(placement, nodes)
        if not found:
            yield Lack(f"no node may run profile {name!r}: {_why_none(placement, nodes)}", _remedy(placement))
            continue
        yield from _too_small(wanted, name, profile, found)


def _too_small(wanted: Wanted, name: str, profile: Profile, nodes: list[Manifest]) -> Iterator[Lack]:
    parts = wanted.settings.requests_of(name)
    room = [(amount(node["status"]["allocatable"]["cpu"]), amount(node["status"]["allocatable"]["memory"])) for node in nodes]
    cpu, memory = Decimal(str(profile.cpu)), Decimal(profile.memory)
    asked = (cpu * Decimal(str(parts.cpu)), memory * Decimal(str(parts.memory)))
    largest = f"of the {len(nodes)} that may run it none has more than {_most(room)} for pods"
    if not any(has[0] >= asked[0] and has[1] >= asked[1] for has in room):
        what = f"no node is large enough for profile {name!r}, for which {_cores(asked[0])} and {_memory(asked[1])} are kept free"
        yield Lack(f"{what}: {largest}", "make the profile smaller, or add a larger node")
    elif not any(has[0] >= cpu and has[1] >= memory for has in room):
        what = f"profile {name!r} promises {_cores(cpu)} and {_memory(memory)}, which no node has: {largest}"
        yield Lack(what, "make the profile smaller, or add a larger node")


def _most(room: list[tuple[Decimal, Decimal]]) -> str:
    return f"{_cores(max(cpu for cpu, _ in room))} and {_memory(max(memory for _, memory in room))}"


def _memory(size_bytes: Decimal) -> str:
    return format_size(int(size_bytes) >> 20 << 20)


def _cores(number: Decimal) -> str:
    return f"{number.normalize():f} core{'' if number == 1 else 's'}"


def _why_none(placement: Placement, nodes: list[Manifest]) -> str:
    labelled = [node for node in nodes if _has_labels(placement, node)]
    if not nodes:
        return "the cluster has none"
    if not labelled:
        asked = ", ".join(f"{key}={value}" for key, value in placement.node_selector.items())
        return f"none of {len(nodes)} has the labels {asked}"
    kept = {_written(taint) for node in labelled for taint in _taints(node) if _keeps_off(taint, placement)}
    return f"the taints {', '.join(sorted(kept))} keep its pods off"


def _remedy(placement: Placement) -> str:
    return "label a node, or change the nodeSelector" if placement.node_selector else "add a node, or a toleration to users.tolerations"


def _has_labels(placement: Placement, node: Manifest) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in placement.node_selector.items())


def _taints(node: Manifest) -> list[Manifest]:
    return [taint for taint in node.get("spec", {}).get("taints") or () if taint["effect"] in _KEEPS_OFF]


def _keeps_off(taint: Manifest, placement: Placement) -> bool:
    # What comes and goes with a node's state is no matter of the values.
    of_state = taint["key"].startswith("node.kubernetes.io/") and taint["key"] != "node.kubernetes.io/unschedulable"
    return not of_state and not any(_bears(toleration, taint) for toleration in placement.tolerations)


def _bears(toleration: Toleration, taint: Manifest) -> bool:
    if toleration.effect not in {None, taint["effect"]} or toleration.key not in {None, taint["key"]}:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.get("value", "")


def _written(taint: Manifest) -> str:
    value = taint.get("value")
    return f"{taint['key']}={value}:{taint['effect']}" if value else f"{taint['key']}:{taint['effect']}"


def clock_lacks(_wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    """Yield the clocks that are wrong: the API server's beside ours, and each node's, which its lease tells, beside the API server's."""
    if cluster.clock is None:
        yield unknown("whether clocks differ, since the API server says no time", "look whether all machines ask an NTP server")
        return
    server, here = cluster.clock
    remedy = "let both ask an NTP server: tokens are refused and releases open at other times where clocks differ"
    if abs(server - here) > _CLOCKS_APART:
        yield Lack(f"the API server's clock is {_apart(server - here)} this machine's", remedy)
    try:
        leases, nodes = cluster.items(LEASES), {node["metadata"]["name"]: node for node in cluster.items(NODES)}
    except MayNotRead:
        yield unreadable("the leases of nodes, so how late it is on them")
        return
    for lease in leases:
        node, renewed = nodes.get(lease["metadata"]["name"]), lease.get("spec", {}).get("renewTime")
        if node is None or not renewed or not _is_ready(node):
            continue
        apart = parse_moment(renewed) - server
        if apart > _CLOCKS_APART or apart < -_LEASE_BEHIND:
            yield Lack(f"the clock of node {lease['metadata']['name']!r} is {_apart(apart)} the API server's", remedy)


def _is_ready(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _apart(difference: timedelta) -> str:
    seconds = abs(difference).total_seconds()
    return f"{seconds:.0f} s {'ahead of' if difference > timedelta(0) else 'behind'}"
