"""Pod Security Standards, profile `restricted`, as published for Kubernetes 1.34: what in a manifest it would refuse.

kubernetes.io/docs/concepts/security/pod-security-standards: each control of `baseline` and of `restricted` that is not about Windows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_SECCOMP = {"RuntimeDefault", "Localhost"}

Part = Mapping[str, Any]


def refusals(pod: Part) -> list[str]:
    """Return what `restricted` would refuse of a pod, each in a few words."""
    spec = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"], *spec.get("ephemeralContainers", ())]
    found = [*_of_pod(spec), *_of_annotations(pod["metadata"].get("annotations", {}))]
    for container in containers:
        found += [f"{container['name']}: {words}" for words in (*_baseline(container), *_restricted(container, spec))]
    return found


def _of_pod(spec: Part) -> Iterator[str]:
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in spec.get("volumes", ()):
        yield from (f"volume {volume['name']} is a {kind}" for kind in volume if kind not in _VOLUMES)
    context = spec.get("securityContext", {})
    yield from (f"sysctl {sysctl['name']}" for sysctl in context.get("sysctls", ()) if sysctl["name"] not in _SYSCTLS)
    if context.get("runAsUser") == 0:
        yield "the pod runs as root"
    yield from _contexts(context)


def _of_annotations(annotations: Part) -> Iterator[str]:
    for key, value in annotations.items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and value == "unconfined":
            yield "AppArmor is off"


def _contexts(context: Part) -> Iterator[str]:
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "an SELinux option"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "AppArmor is off"


def _baseline(container: Part) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("privileged"):
        yield "privileged"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "a port of the node"
    if context.get("procMount") not in (None, "Default"):
        yield "procMount"
    probes = (container.get(name, {}) for name in ("livenessProbe", "readinessProbe", "startupProbe"))
    hooks = container.get("lifecycle", {}).values()
    if any(action.get(kind, {}).get("host") for action in (*probes, *hooks) for kind in ("httpGet", "tcpSocket")):
        yield "a probe of another host"
    yield from _contexts(context)


def _restricted(container: Part, spec: Part) -> Iterator[str]:
    own, pods = container.get("securityContext", {}), spec.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privileges may grow"
    if own.get("runAsNonRoot", pods.get("runAsNonRoot")) is not True:
        yield "it may run as root"
    if own.get("runAsUser") == 0:
        yield "it runs as root"
    if own.get("seccompProfile", pods.get("seccompProfile", {})).get("type") not in _SECCOMP:
        yield "no seccomp profile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()) or not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
        yield "capabilities"
