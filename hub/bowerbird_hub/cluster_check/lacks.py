"""Every check of a cluster against a release, in the order in which an admin would mend what they find. Pure."""

import re
from collections.abc import Callable, Iterator
from itertools import groupby

from bowerbird_config.problems import choose_from
from bowerbird_hub.cluster_check.cluster import (
    DRIVERS,
    INGRESS_CLASSES,
    PRIORITY_CLASSES,
    VERSION,
    Cluster,
    MayNotRead,
    Right,
    namespace_path,
    object_path,
    rights_to_create,
    rights_to_hand_on,
)
from bowerbird_hub.cluster_check.lack import Lack, unreadable
from bowerbird_hub.cluster_check.network import network_lacks
from bowerbird_hub.cluster_check.nodes import clock_lacks, profile_lacks
from bowerbird_hub.cluster_check.storage import storage_lacks
from bowerbird_hub.cluster_check.wanted import Manifest, Wanted, WantedSecret

_NUMBERS = re.compile(r"v?([0-9]+)\.([0-9]+)")
_DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"
_ENFORCE = "pod-security.kubernetes.io/enforce"

Check = Callable[[Wanted, Cluster], Iterator[Lack]]


def lacks(wanted: Wanted, cluster: Cluster, oldest: str) -> list[Lack]:
    """Return all that the cluster lacks, what could not be told last; `oldest` is the chart's `kubeVersion`."""
    found = [*_version(cluster, oldest), *(lack for check in _CHECKS for lack in check(wanted, cluster))]
    return sorted(dict.fromkeys(found), key=lambda lack: not lack.known)


def _version(cluster: Cluster, oldest: str) -> Iterator[Lack]:
    told = str((cluster.one(VERSION) or {}).get("gitVersion", ""))
    found, least = _NUMBERS.match(told), _NUMBERS.search(oldest)
    if found is None or least is None:
        yield Lack(f"the cluster does not say which Kubernetes it is ({told!r})", "is this the address of an API server?")
    elif tuple(map(int, found.groups())) < tuple(map(int, least.groups())):
        yield Lack(f"the cluster is Kubernetes {told}, and the chart takes {'.'.join(least.groups())} and newer", "upgrade the cluster")


_OPERATORS = {"monitoring.alerts": ("PrometheusRule",), "monitoring.serviceMonitor": ("PodMonitor", "ServiceMonitor")}


def _kinds(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    made = {each["kind"]: each["apiVersion"] for each in wanted.manifests}
    for value, kinds in _OPERATORS.items():
        missing = [kind for kind in kinds if kind in made and cluster.resource(made[kind], kind) is None]
        if missing:
            what = f"the cluster knows no {' and no '.join(missing)}, which {value} asks for"
            yield Lack(what, f"install the Prometheus operator first, or write {value}: false")


def _ingress(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    if not wanted.values.ingress.enabled:
        return
    try:
        classes = {each["metadata"]["name"]: each for each in cluster.items(INGRESS_CLASSES)}
    except MayNotRead:
        yield unreadable("ingress classes")
        return
    name = wanted.values.ingress.class_name
    if not classes:
        remedy = "install an Ingress controller, or write ingress.enabled: false and lead to the proxy by other means"
        yield Lack("the cluster has no ingress class, so nothing would lead to the platform", remedy)
    elif name and name not in classes:
        yield Lack(f"the cluster has no ingress class {name!r}, which ingress.className names", choose_from(name, classes, "there"))
    elif not name and not any(_is_default(each) for each in classes.values()):
        yield Lack("ingress.className is empty, and the cluster has no default ingress class", choose_from("", classes, "there"))


def _is_default(ingress_class: Manifest) -> bool:
    return bool((ingress_class["metadata"].get("annotations") or {}).get(_DEFAULT_INGRESS) == "true")


def _namespaces(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    for name, part, level in ((wanted.settings.namespace, "users", "restricted"), (wanted.data_namespace, "data", "privileged")):
        try:
            there = cluster.one(namespace_path(name))
        except MayNotRead:
            yield unreadable(f"namespace {name!r}")
            continue
        if name in wanted.made_namespaces:
            if there is not None and not _is_of(there, wanted):
                what = f"namespace {name!r} is there already and not of this release, so Helm would refuse the install"
                yield Lack(what, f"write {part}.createNamespace: false, or another name as {part}.namespace")
        elif there is None:
            what = f"namespace {name!r} is not there, and {part}.createNamespace is false"
            yield Lack(what, f"make it, with the label {_ENFORCE}={level}")
        else:
            yield from _pod_security(name, part, level, (there["metadata"].get("labels") or {}).get(_ENFORCE))


def _pod_security(name: str, part: str, level: str, enforced: str | None) -> Iterator[Lack]:
    remedy = f"'kubectl label --overwrite namespace {name} {_ENFORCE}={level}', or another name as {part}.namespace"
    if part == "data" and enforced in {"restricted", "baseline"}:
        yield Lack(f"namespace {name!r} enforces Pod Security {enforced!r}, which refuses the node plugin: it mounts /data", remedy)
    if part == "users" and enforced != "restricted":
        told = f"enforces Pod Security {enforced!r}" if enforced else "enforces no Pod Security"
        yield Lack(f"namespace {name!r} {told}, and user pods belong into one that enforces 'restricted'", remedy)


def _is_of(thing: Manifest, wanted: Wanted) -> bool:
    """Tell whether Helm made an object for this very release."""
    told = thing["metadata"].get("annotations") or {}
    return (told.get("meta.helm.sh/release-name"), told.get("meta.helm.sh/release-namespace")) == (wanted.release, wanted.namespace)


def _secrets(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    for secret in (*sorted(wanted.secrets), *wanted.pull_secrets):
        try:
            there = cluster.one(object_path("secrets", secret.namespace, secret.name))
        except MayNotRead:
            yield unreadable(f"Secret {secret.name!r} in namespace {secret.namespace!r}, which {secret.named_by} names")
            continue
        yield from _missing_secret(secret, wanted) if there is None else _missing_keys(secret, there)


def _missing_secret(secret: WantedSecret, wanted: Wanted) -> Iterator[Lack]:
    what = f"Secret {secret.name!r}, which {secret.named_by} names, is not in namespace {secret.namespace!r}"
    if secret.namespace not in wanted.made_namespaces:
        yield Lack(what, f"make it there, with {_keys(secret.keys)}")
    else:
        part = "data" if secret.namespace == wanted.data_namespace else "users"
        remedy = f"make that namespace yourself with the Secret in it, and write {part}.createNamespace: false"
        yield Lack(what, remedy)


def _missing_keys(secret: WantedSecret, there: Manifest) -> Iterator[Lack]:
    missing = tuple(key for key in secret.keys if not (there.get("data") or {}).get(key))
    if missing:
        what = f"Secret {secret.name!r} in namespace {secret.namespace!r}, which {secret.named_by} names, has no {_keys(missing)}"
        yield Lack(what, "add it" if len(missing) == 1 else "add them")


def _keys(keys: tuple[str, ...]) -> str:
    return f"key{'s' if len(keys) > 1 else ''} {', '.join(repr(key) for key in keys)}"


def _driver(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    try:
        taken = {each["metadata"]["name"]: each for each in cluster.items(DRIVERS)}
    except MayNotRead:
        yield unreadable("CSI drivers")
        return
    there = taken.get(wanted.settings.driver)
    if there is not None and not _is_of(there, wanted):
        owner = (there["metadata"].get("annotations") or {}).get("meta.helm.sh/release-name")
        of = f"belongs to release {owner!r}" if owner else "is not Helm's"
        what = f"the CSI driver {wanted.settings.driver!r} is there already and {of}"
        yield Lack(what, "install under another release name or into another namespace")


def _priority(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    name = wanted.settings.priority_class
    if name is None:
        return
    try:
        there = [each["metadata"]["name"] for each in cluster.items(PRIORITY_CLASSES)]
    except MayNotRead:
        yield unreadable("priority classes")
        return
    if name not in there:
        yield Lack(f"the cluster has no priority class {name!r}, which users.priorityClass names", choose_from(name, there, "there"))


def _rights(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    refused = sorted(right for right in rights_to_create(wanted, cluster) if not cluster.rights[right])
    remedy = "install as somebody who may, such as one with the ClusterRole cluster-admin"
    for namespace, rights in groupby(refused, key=lambda right: right.namespace):
        yield Lack(f"you may not create {', '.join(right.kind for right in rights)} {_where(namespace)}", remedy)
    for right, escalate in sorted(rights_to_hand_on(wanted)):
        if not cluster.rights[right] and not cluster.rights[escalate]:
            yield Lack(f"you may not give the right to {_named(right)} {_where(right.namespace)}, which you do not have yourself", remedy)


def _named(right: Right) -> str:
    return f"{right.verb} {right.kind} {right.name}".rstrip()


def _where(namespace: str) -> str:
    return f"in namespace {namespace!r}" if namespace else "in the whole cluster"


_CHECKS: tuple[Check, ...] = (
    _rights,
    _namespaces,
    _driver,
    _kinds,
    _secrets,
    _ingress,
    storage_lacks,
    _priority,
    network_lacks,
    clock_lacks,
    profile_lacks,
)
