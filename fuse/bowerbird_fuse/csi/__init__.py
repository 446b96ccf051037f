"""The data of a cluster's pods: a CSI node plugin, beside the keeper of each node.

Two DaemonSets in a namespace that allows `privileged`, both of the `data` image (requirements/csi.txt, members config and fuse):

`data`, one container, privileged, root, `terminationGracePeriodSeconds: 60`, update strategy RollingUpdate with maxSurge 1 and
maxUnavailable 0:

    python -m bowerbird_fuse.csi --var VAR --driver NAME --hub http://HUB:PORT [--metrics-port 9810] [--warm /run/bowerbird]
        [--cgroups /run/cgroups] [--kubelet /var/lib/kubelet] [--node $NODE_NAME]
        [--token-file /var/run/secrets/bowerbird/token] [--hub-ca FILE]

    It supervises the keeper (`bowerbird_fuse.keeper`) and the plugin (`bowerbird_fuse.csi.plugin`), and starts again what ends.
    Beside another one of the same node both wait, warm, until that has ended (turn.py): a roll-out is a short pause for open files.
    --hub is the hub's door for node plugins (bowerbird_hub.nodes), a port of its own. --hub-ca is read for an https address.
    NODE_NAME is an environment variable of `fieldRef: spec.nodeName`; no other is needed.
    --token-file is a projected serviceAccountToken with `audience: NAME`, the driver's name; no other token is needed, and the
    ServiceAccount needs no right at all: the hub knows the plugin by it.

`holder`, one container, root, no capability, read-only root, update strategy OnDelete; it keeps open files over a roll-out of `data`:

    python -m bowerbird_fuse.holder --socket VAR/run/holder.sock

Mounts. VAR is one path on host and inside, of this installation's own, such as /var/lib/bowerbird/NAMESPACE-RELEASE:

    VAR/run                                `data`: a host path, DirectoryOrCreate, mountPropagation Bidirectional; `holder`: the same
                                           without propagation. It is the node's own: what the keeper of one node writes there is
                                           not another's.
    VAR/cache, VAR/state                   `data`: host paths, DirectoryOrCreate, the node's own too
    VAR/homes, VAR/spaces, VAR/releases,   `data`: what all nodes share, a PVC by subPaths or host paths; below nothing that is
    VAR/leases                             Bidirectional, or the node keeps each mount of each pod. Where nodes share nothing,
                                           leases (leases.py) tell a node of no other
    /var/lib/kubelet/pods                  `data`: a host path, mountPropagation Bidirectional
    /var/lib/kubelet/plugins/NAME          `data`: a host path, DirectoryOrCreate; csi.sock is made in it
    /var/lib/kubelet/plugins_registry      `data`: a host path
    /run/cgroups                           `data`: the host path /sys/fs/cgroup, for what Kubernetes limits of no pod (limits.py)

Paths of kubelet's are the same inside as on the host. Ready: `test -S /var/lib/kubelet/plugins_registry/NAME-reg.sock`,
and the files `keeper` and `plugin` are in the directory of --warm, which is the container's own.

CSIDriver, `metadata.name: NAME`: attachRequired false, podInfoOnMount true, volumeLifecycleModes [Ephemeral],
tokenRequests [{audience: NAME}], fsGroupPolicy None, requiresRepublish false. NAME is a DNS name of at most 63 characters.

A pod has one inline volume, `csi: {driver: NAME, volumeAttributes: {layout: "1"}}`, mounted whole, with mountPropagation
HostToContainer and without subPath. contents.py says what is in it. Who the pod's user is, the hub alone says: asking.py.
"""
