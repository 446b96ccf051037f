"""What runs on a node: containerd, kubelet, kube-proxy and our enforcer of NetworkPolicies, with their configuration."""

import json
from typing import Any

import yaml

from tests.support.cluster.addresses import Addresses

PKI = "/etc/kubernetes/pki"
SOCKET = "/run/containerd/containerd.sock"
_CONTAINERD = """version = 2
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true  # root of a test machine may lack CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"""


def files(name: str, number: int, addresses: Addresses, cluster: str) -> dict[str, str]:
    """Return a node's configuration files by their path."""
    return {
        "etc/containerd/config.toml": _CONTAINERD,
        "etc/cni/net.d/10-pods.conflist": json.dumps(_cni(number, addresses)),
        "etc/kubernetes/kubelet.yaml": yaml.safe_dump(_kubelet(name, number, addresses, cluster)),
        "etc/kubernetes/proxy.yaml": yaml.safe_dump(_proxy(name, number, addresses)),
    }


def services(name: str, number: int, addresses: Addresses) -> str:
    """Return what pid 1 of a node runs."""
    return f"""serve containerd containerd
until ctr --address {SOCKET} version >/dev/null 2>&1; do sleep 0.05; done
serve kube-proxy kube kube-proxy --config /etc/kubernetes/proxy.yaml
serve kubelet kube kubelet --config /etc/kubernetes/kubelet.yaml --kubeconfig {PKI}/{name}.kubeconfig \\
    --hostname-override={name} --node-ip={addresses.node(number)} --cert-dir=/var/lib/kubelet/pki
serve netpol netpol --kubeconfig={PKI}/netpol.kubeconfig --pods={addresses.pods(number)}
"""


def _cni(number: int, addresses: Addresses) -> dict[str, Any]:
    """Return the pods' network: each routed by its node, so that a NetworkPolicy is a plain rule of forwarding."""
    ranges = [[{"subnet": str(addresses.pods(number))}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def _kubelet(name: str, number: int, addresses: Addresses, cluster: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(addresses.node(number)),
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{PKI}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{PKI}/{name}.crt",
        "tlsPrivateKeyFile": f"{PKI}/{name}.key",
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(addresses.dns)],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cluster}/{name}",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "maxOpenFiles": 20000,
        "oomScoreAdj": 0,
        "resolvConf": "/etc/resolv.conf",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 12,
        "syncFrequency": "10s",
    }


def _proxy(name: str, number: int, addresses: Addresses) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{PKI}/proxy.kubeconfig"},
        "mode": "nftables",
        "clusterCIDR": str(addresses.all_pods),
        "hostnameOverride": name,
        "bindAddress": str(addresses.node(number)),
        "metricsBindAddress": "127.0.0.1:10249",
        # The kernel's own figures stay: they are not a network namespace's to set.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
