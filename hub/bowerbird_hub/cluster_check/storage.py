"""Whether the claims of a release get their volumes, and whether every node reaches the data. Pure."""

from collections.abc import Iterator

from bowerbird_config.problems import choose_from
from bowerbird_hub.cluster_check.cluster import NODES, STORAGE_CLASSES, Cluster, MayNotRead, object_path
from bowerbird_hub.cluster_check.lack import Lack, unknown, unreadable
from bowerbird_hub.cluster_check.nodes import nodes_of_users
from bowerbird_hub.cluster_check.wanted import Manifest, Wanted, component

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_MANY = "ReadWriteMany"
# A class says nothing of how many nodes may write; these are known to give a volume to one.
_ONE_NODE = {
    "rancher.io/local-path": "a directory of one node",
    "kubernetes.io/no-provisioner": "disks of one node each",
    "ebs.csi.aws.com": "a disk",
    "pd.csi.storage.gke.io": "a disk",
    "disk.csi.azure.com": "a disk",
    "cinder.csi.openstack.org": "a disk",
    "rbd.csi.ceph.com": "a disk",
}
_SHARED = "of storage that gives ReadWriteMany, such as NFS, CephFS or Longhorn"


def storage_lacks(wanted: Wanted, cluster: Cluster) -> Iterator[Lack]:
    """Yield the claims that would wait for ever, and data that other nodes do not reach."""
    try:
        classes = {each["metadata"]["name"]: each for each in cluster.items(STORAGE_CLASSES)}
    except MayNotRead:
        yield unreadable("storage classes")
    else:
        yield from _made_claims(wanted, classes)
        yield from _data(wanted, classes, cluster)
    for namespace, name in wanted.claims:
        try:
            there = cluster.one(object_path("persistentvolumeclaims", namespace, name))
        except MayNotRead:
            yield unreadable(f"claim {name!r} in namespace {namespace!r}")
            continue
        if there is None:
            yield Lack(f"claim {name!r} is not in namespace {namespace!r}", "make it before the roll-out")


def _made_claims(wanted: Wanted, classes: dict[str, Manifest]) -> Iterator[Lack]:
    for claim in wanted.of_kind("PersistentVolumeClaim"):
        name, value = claim["metadata"]["name"], f"{component(claim)}.volume.storageClass"
        asked = claim["spec"].get("storageClassName")
        if asked and asked not in classes:
            what = f"the cluster has no storage class {asked!r}, which {value} names"
            yield Lack(what, choose_from(asked, classes, "there"))
        elif not asked and not any((each["metadata"].get("annotations") or {}).get(_DEFAULT) == "true" for each in classes.values()):
            what = f"the cluster has no default storage class, so claim {name!r} would wait for ever"
            yield Lack(what, f"name one as {value}; {choose_from('', classes, 'there')}")


def _data(wanted: Wanted, classes: dict[str, Manifest], cluster: Cluster) -> Iterator[Lack]:
    try:
        nodes = sorted(nodes_of_users(wanted, cluster.items(NODES)))
    except MayNotRead:
        yield unreadable("nodes, so whether several of them need the data")
        return
    if len(nodes) < 2:  # noqa: PLR2004  # one needs nobody's leave
        return
    several = f"user pods may run on {len(nodes)} nodes"
    storage = wanted.values.data.storage
    if storage.host_path:
        what = f"whether {storage.host_path} is the same file system on all nodes: {several}, each of which has a directory of that name"
        yield unknown(what, f"mount it on each of them, or name a claim {_SHARED}, as data.storage.existingClaim")
        return
    try:
        claim = cluster.one(object_path("persistentvolumeclaims", wanted.data_namespace, storage.existing_claim))
    except MayNotRead:
        return  # said where claims are looked at
    if claim is not None:
        yield from _shared(claim, storage.existing_claim, several, classes)


def _shared(claim: Manifest, name: str, several: str, classes: dict[str, Manifest]) -> Iterator[Lack]:
    modes = claim.get("status", {}).get("accessModes") or claim["spec"]["accessModes"]
    made_by = classes.get(claim["spec"].get("storageClassName") or "", {}).get("provisioner", "")
    remedy = f"make it {_SHARED}, or let users.nodeSelector leave one node"
    if _MANY not in modes:
        yield Lack(f"{several}, and claim {name!r} of the data is {', '.join(modes)} and not {_MANY}: one node alone reaches it", remedy)
    elif made_by in _ONE_NODE:
        what = f"{several}, and claim {name!r} of the data is of storage class {claim['spec']['storageClassName']!r}"
        yield Lack(f"{what}, whose volumes are {_ONE_NODE[made_by]}", remedy)
