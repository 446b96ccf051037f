"""A stock JupyterHub with KubeSpawner on a cluster, whose servers have an emptyDir: what ours is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.cas import free_port
from tests.support.cluster.cluster import NODES, Cluster
from tests.support.cluster.forward import forwarded
from tests.support.cluster.objects import Object
from tests.support.cluster.platform_images import name_of
from tests.support.names import HERE
from tests.support.session import PlainSession, Session, sign_in

_NAME = "plain-hub"
_PORT = 8000
_CONFIG = Path(__file__).with_name("plain_hub_config.py")
_SECONDS = 120
# Rights in its own namespace: what KubeSpawner asks for.
_RULES = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "get", "list", "patch", "watch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]},
)


@dataclass(frozen=True, slots=True)
class PlainHub:
    """A stock hub that runs; everybody may sign in."""

    namespace: str
    url: str

    @property
    def account(self) -> str:
        """The hub's service account, as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{_NAME}"

    def sign_in(self, name: str) -> Session:
        """Sign somebody in."""
        return sign_in(self.url, name, "any", PlainSession)


@contextmanager
def plain_hub(cluster: Cluster) -> Iterator[PlainHub]:
    """Keep a stock hub in a namespace of its own while the block runs."""
    with cluster.namespace("plain") as namespace:
        cluster.apply(*_objects(namespace))
        cluster.await_ready(namespace, _NAME, seconds=_SECONDS)
        # People come in as to ours: by a port of this machine, which asks for each connection where the pod is.
        port = free_port()
        with forwarded(port, lambda: (_pod(cluster, namespace)["status"]["podIP"], _PORT)):
            yield PlainHub(namespace, f"http://{HERE}:{port}/")


def _pod(cluster: Cluster, namespace: str) -> Object:
    return cluster.get(f"/api/v1/namespaces/{namespace}/pods/{_NAME}")


def _objects(namespace: str) -> tuple[Object, ...]:
    metadata = {"name": _NAME, "namespace": namespace}
    subject = {"kind": "ServiceAccount", **metadata}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _NAME}
    config = {"jupyterhub_config.py": _CONFIG.read_text(encoding="utf-8")}
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": list(_RULES)},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec()},
    )


def _spec() -> Object:
    environment = {"SERVER_IMAGE": name_of("lab"), "SERVER_NODE": NODES[0], "HOME": "/tmp"}
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {
        "name": "hub",
        "image": name_of("hub"),
        "imagePullPolicy": "Never",
        "command": ["jupyterhub", "--config", "/config/jupyterhub_config.py"],
        "workingDir": "/tmp",
        "env": [*({"name": name, "value": value} for name, value in environment.items()), address],
        "readinessProbe": {"httpGet": {"path": "/hub/health", "port": _PORT}, "periodSeconds": 1},
        # As much as our hub's.
        "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    return {
        "serviceAccountName": _NAME,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": _NAME}}],
    }
