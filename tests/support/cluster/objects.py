"""Kubernetes objects for the tests, as `restricted` wants them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.cluster.images import PROBE

Object = dict[str, Any]
_UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_NOBODY = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
# Serves its working directory at the port `http`.
SERVE = ("python3", "-m", "http.server", "8080")


def pod(
    namespace: str,
    name: str,
    *,
    node: str = "",
    labels: Mapping[str, str] | None = None,
    command: Sequence[str] = ("sleep", "infinity"),
    volumes: Mapping[str, Object] | None = None,
    uid: int = 1000,
) -> Object:
    """Return a pod of the probe's image; its volumes are mounted at the paths that name them, and what their node mounts later is seen."""
    named = {f"v{number}": (path, volume) for number, (path, volume) in enumerate((volumes or {}).items())}
    container: Object = {
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "command": list(command),
        "ports": [{"name": "http", "containerPort": 8080}],
        "securityContext": _UNPRIVILEGED,
        "volumeMounts": [{"name": key, "mountPath": path, "mountPropagation": "HostToContainer"} for key, (path, _) in named.items()],
    }
    if tuple(command) == SERVE:
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    spec: Object = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {**_NOBODY, "runAsUser": uid, "runAsGroup": uid},
        "containers": [container],
        "volumes": [{"name": key, **volume} for key, (_, volume) in named.items()],
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {"app": name})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(namespace: str, name: str) -> Object:
    """Return a service of the pods whose label `app` is its name, at port 80."""
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def only_from(namespace: str, name: str, friend: str) -> Object:
    """Return a policy by which the pods of an `app` are reached by one other's, at the port `http`."""
    source = {"from": [{"podSelector": {"matchLabels": {"app": friend}}}], "ports": [{"port": "http"}]}
    spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"], "ingress": [source]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def claim(namespace: str, name: str) -> Object:
    """Return a claim of storage of the cluster's default class."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def shared_claim(namespace: str, name: str, path: str) -> tuple[Object, Object]:
    """Return a claim of a directory that every node has, and the volume that is for it alone."""
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    reference = {"namespace": namespace, "name": name}
    held = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": path}, "claimRef": reference, "persistentVolumeReclaimPolicy": "Retain"}
    asked = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}
    return (
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {**spec, **held}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": reference, "spec": {**spec, **asked}},
    )
