"""The data of a cluster's pods: a CSI node plugin, beside the keeper of each node.

Two DaemonSets in a namespace that allows `privileged`, both of the `data` image (requirements/csi.txt, members config and fuse):

`data`, one container, privileged, root, `terminationGracePeriodSeconds: 60`, update strategy RollingUpdate with maxUnavailable 1:

    python -m bowerbird_fuse.csi --var /var/lib/bowerbird --driver NAME --hub http://hub.NAMESPACE:PORT
        [--kubelet /var/lib/kubelet] [--node $NODE_NAME] [--token-file /var/run/secrets/bowerbird/token] [--hub-ca FILE]

    It supervises the keeper (`bowerbird_fuse.keeper`) and the plugin (`bowerbird_fuse.csi.plugin`), and starts again what ends.
    NODE_NAME is an environment variable of `fieldRef: spec.nodeName`. --hub-ca is read for an https address.
    --token-file is a projected serviceAccountToken with `audience: NAME`, the driver's name; no other token is needed, and the
    ServiceAccount needs no right at all.

`holder`, one container, root, no capability, read-only root, update strategy OnDelete; it keeps open files over a roll-out of `data`:

    python -m bowerbird_fuse.holder --socket /var/lib/bowerbird/run/holder.sock

Host paths, at the same paths inside:

    /var/lib/bowerbird (--var)          both; `data` with mountPropagation Bidirectional; type DirectoryOrCreate, and `run` below it
    /var/lib/bowerbird/run              must be there for the holder: an init container, or `data`, makes it
    /var/lib/kubelet/pods               `data`, mountPropagation Bidirectional
    /var/lib/kubelet/plugins            `data`
    /var/lib/kubelet/plugins_registry   `data`
    /dev/fuse                           `data`: privileged is enough
    homes, spaces and releases          `data`, where they are not below --var: mounted at --var/{homes,spaces,releases}

Ready: `test -S /var/lib/kubelet/plugins_registry/NAME-reg.sock`. Alive: leave it to the supervisor.

CSIDriver, `metadata.name: NAME`: attachRequired false, podInfoOnMount true, volumeLifecycleModes [Ephemeral],
tokenRequests [{audience: NAME}], fsGroupPolicy None, requiresRepublish false. NAME is a DNS name of at most 63 characters.

A pod has one inline volume, `csi: {driver: NAME, volumeAttributes: {layout: "1"}}`, mounted whole, with mountPropagation
HostToContainer and without subPath. contents.py says what is in it. Who the pod's user is, the hub alone says: asking.py.
"""
