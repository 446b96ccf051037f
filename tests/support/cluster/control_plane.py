"""What runs on the control plane's machine: etcd, the API server, the controllers and the scheduler."""

from typing import Any

import yaml

from tests.support.cluster.addresses import Addresses

PKI = "/etc/kubernetes/pki"
AUDIT_LOG = "/var/log/audit.log"
_AUDIT = "/etc/kubernetes/audit.yaml"
PORT = 6443
# So soon is a pod of a lost node given up; Kubernetes' own 300 s would keep the tests waiting.
EVICTION_SECONDS = 20


def files() -> dict[str, str]:
    """Return its configuration files by their path."""
    return {_AUDIT.lstrip("/"): yaml.safe_dump(_audit())}


def _audit() -> dict[str, Any]:
    """Return which calls are written down: what pods and nodes ask for, once it is answered; lists and watches come by the clock."""
    of_interest = {
        "level": "Metadata",
        "userGroups": ["system:serviceaccounts", "system:nodes"],
        "verbs": ["create", "delete", "deletecollection", "get", "patch", "update"],
    }
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [of_interest, {"level": "None"}],
    }


def services(addresses: Addresses) -> str:
    """Return what pid 1 of the control plane runs."""
    api = addresses.control_plane
    # No fsync: the data dies with the test.
    etcd = """--data-dir /var/lib/etcd --unsafe-no-fsync --log-level warn --name cp --initial-cluster cp=http://127.0.0.1:2380
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380"""
    apiserver = f"""--etcd-servers=http://127.0.0.1:2379 --bind-address={api} --advertise-address={api} --secure-port={PORT}
        --tls-cert-file={PKI}/apiserver.crt --tls-private-key-file={PKI}/apiserver.key --client-ca-file={PKI}/ca.crt
        --requestheader-client-ca-file={PKI}/front-proxy.crt --requestheader-allowed-names=front-proxy-client
        --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group
        --requestheader-extra-headers-prefix=X-Remote-Extra-
        --kubelet-client-certificate={PKI}/kubelet-client.crt --kubelet-client-key={PKI}/kubelet-client.key
        --kubelet-certificate-authority={PKI}/ca.crt --kubelet-preferred-address-types=InternalIP
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true
        --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file={PKI}/sa.pub
        --service-account-signing-key-file={PKI}/sa.key --service-cluster-ip-range={addresses.services}
        --default-not-ready-toleration-seconds={EVICTION_SECONDS} --default-unreachable-toleration-seconds={EVICTION_SECONDS}
        --audit-policy-file={_AUDIT} --audit-log-path={AUDIT_LOG}"""
    controllers = f"""{_own("kcm")} --use-service-account-credentials --service-account-private-key-file={PKI}/sa.key
        --root-ca-file={PKI}/ca.crt --cluster-signing-cert-file={PKI}/ca.crt --cluster-signing-key-file={PKI}/ca.key
        --cluster-cidr={addresses.all_pods} --allocate-node-cidrs=false --node-monitor-period=2s --node-monitor-grace-period=16s"""
    commands = {
        "etcd": etcd,
        "kube-apiserver": apiserver,
        "kube-controller-manager": controllers,
        "kube-scheduler": _own("scheduler"),
    }
    return "".join(f"serve {name} kube {name} {' '.join(options.split())}\n" for name, options in commands.items())


def _own(name: str) -> str:
    config = f"{PKI}/{name}.kubeconfig"
    return (
        f"--kubeconfig={config} --authentication-kubeconfig={config} --authorization-kubeconfig={config}"
        " --bind-address=127.0.0.1 --leader-elect=false"
    )
