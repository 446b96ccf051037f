"""Pods of single-user servers: a choice, an identity and what the cluster says become a manifest. Pure.

A pod meets Pod Security `restricted`, and all that is somebody's own comes in by one inline volume of the node plugin's driver:

    /run/volume/data          the view
    /run/volume/home/<name>   the home
    /run/volume/etc           passwd and group, as libnss-extrausers reads them; token, which the owner alone can read;
                              limits.json, for the plugin; news.json

What stands in that volume is between the plugin and the hub, who knows the pod by its name and uid; the manifest holds no secret.
An image has the links that lead there: /data, /home and /var/lib/extrausers. It has tini, the program of single-user servers and
its interpreter at the places below, and writes nowhere but in /tmp, /run/bowerbird and the volume.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.kubernetes import Toleration
from bowerbird_config.model import format_size
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.pods import LIMITS, NEWS
from bowerbird_config.user_names import TEAM_ACCOUNT
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes.accounts import Records, fellows, group, passwd, teams_of
from bowerbird_hub.runtimes.environment import World, options, program, variables
from bowerbird_hub.runtimes.places import INSIDE
from bowerbird_hub.runtimes.single_user import TOKEN_FILE
from bowerbird_hub.runtimes.slugs import host_name, label_value, object_name

Manifest = dict[str, Any]

PORT = 8888
# KubeSpawner looks for a container, a port and a label by these names.
CONTAINER = "notebook"
PORT_NAME = "notebook-port"
COMPONENT = "singleuser-server"

VOLUME = PurePosixPath("/run/volume")
ETC = VOLUME / "etc"
DATA = PurePosixPath("/data")
HOMES = PurePosixPath("/home")
# The layout above; a plugin that knows a newer one still serves the pods that run.
VOLUME_LAYOUT = "1"
# What a pod says whose data are shown under a lease (bowerbird_fuse.csi.leases).
LEASE = "1"

TINI = "/usr/bin/tini"
PYTHON = Path("/opt/bowerbird/bin/python")
PROGRAM = PurePosixPath("/opt/bowerbird/single_user.py")

_GRACE_SECONDS = 10
_RUN_BYTES = 16 << 20
_SECRET = "JUPYTERHUB_API_TOKEN"  # noqa: S105  the name of a variable


@dataclass(frozen=True, slots=True)
class Order:
    """All that decides what one server's pod is."""

    record: IdentityRecord
    choice: Choice
    server: str
    hub: Mapping[str, str] = field(repr=False)
    at: datetime

    @property
    def name(self) -> str:
        """The pod's name."""
        return pod_name(self.record.name, self.server)


def pod_name(owner: str, server: str = "") -> str:
    """Return the name of the pod of an owner's server."""
    return object_name("server", owner, server)


def pod(order: Order, settings: PodSettings) -> Manifest:
    """Return the manifest; KeyError where the environment of the choice has no image here."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": order.name,
            "namespace": settings.namespace,
            "labels": labels(order, settings),
            "annotations": {
                **settings.annotations,
                settings.label("user"): order.record.name,
                settings.label("server"): order.server,
                # A node plugin that knows leases takes one for it; whether its own one does, the hub notes when that asks.
                settings.label("lease"): LEASE,
            },
        },
        "spec": _spec(order, settings),
    }


def labels(order: Order, settings: PodSettings) -> dict[str, str]:
    """Return the labels: the common ones, KubeSpawner's own and ours."""
    owner = order.record.name
    team = {settings.label("team"): label_value(owner.removeprefix(TEAM_ACCOUNT))} if owner.startswith(TEAM_ACCOUNT) else {}
    return {
        **settings.labels,
        "app.kubernetes.io/name": "bowerbird",
        **selector(settings),
        "app.kubernetes.io/part-of": "bowerbird",
        "app.kubernetes.io/managed-by": "bowerbird-hub",
        "component": COMPONENT,
        settings.label("user"): label_value(owner),
        settings.label("server"): label_value(order.server),
        settings.label("profile"): label_value(order.choice.name),
        **team,
    }


def selector(settings: PodSettings) -> dict[str, str]:
    """Return the labels by which all pods of a hub's servers are found."""
    return {"app.kubernetes.io/instance": settings.release, "app.kubernetes.io/component": COMPONENT}


def environment(order: Order, settings: PodSettings) -> dict[str, str]:
    """Return the environment of the server's container: that of every runtime, less the token, which the volume brings."""
    told = variables(_world(order, settings), order.hub, order.choice.profile.memory, order.name)
    return {**{name: value for name, value in told.items() if name != _SECRET}, TOKEN_FILE: str(ETC / "token")}


def accounts(record: IdentityRecord, everyone: Records, at: datetime) -> dict[str, str]:
    """Return what the volume's passwd and group files say."""
    others = fellows(record, everyone, at)
    return {"passwd": passwd(record, str(HOMES / record.name), others), "group": group(record, at, others)}


def limits(processes: int) -> dict[str, str]:
    """Return what the volume says of limits that a manifest has no words for: the node plugin keeps them."""
    return {LIMITS: json.dumps({"processes": processes})}


def _world(order: Order, settings: PodSettings) -> World:
    return World(
        user=order.record.name,
        home=HOMES / order.record.name,
        directory=INSIDE,
        runtime=INSIDE / "kernels",
        python=PYTHON,
        program=PROGRAM,
        packages=f"lib/python{settings.python}/site-packages",
        choice=order.choice,
        data=DATA,
        news=ETC / NEWS,
    )


def _spec(order: Order, settings: PodSettings) -> Manifest:
    placement = settings.placement(order.choice.name)
    optional = {
        "imagePullSecrets": [{"name": name} for name in settings.pull_secrets],
        "nodeSelector": dict(placement.node_selector),
        "tolerations": [_toleration(toleration) for toleration in placement.tolerations],
        "priorityClassName": settings.priority_class,
    }
    return {
        "hostname": host_name(order.choice.name),
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        # Addresses of other services are nobody's business in here, and there may be thousands.
        "enableServiceLinks": False,
        # A node that comes back brings the server back. Who ends it in JupyterLab has ended it.
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": _pod_security(order),
        **{key: value for key, value in optional.items() if value},
        "containers": [_container(order, settings)],
        "volumes": _volumes(order, settings),
    }


def _pod_security(order: Order) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": order.record.uid,
        "runAsGroup": order.record.gid,
        "supplementalGroups": sorted(teams_of(order.record, order.at).values()),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(order: Order, settings: PodSettings) -> Manifest:
    world = _world(order, settings)
    argv = [TINI, "-g", "--", *program(world), *options(world)]
    return {
        "name": CONTAINER,
        "image": settings.images[order.choice.profile.environment],
        "imagePullPolicy": settings.pull_policy,
        "command": [_literally(word) for word in argv],
        "env": [{"name": name, "value": _literally(value)} for name, value in sorted(environment(order, settings).items())],
        "ports": [{"name": PORT_NAME, "containerPort": PORT}],
        "resources": _resources(order, settings),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The end of its log comes with the pod's status, for the sentence about a start that failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            # A view that is mounted anew on the node reaches the pod that runs.
            {"name": "volume", "mountPath": str(VOLUME), "mountPropagation": "HostToContainer"},
            {"name": "run", "mountPath": str(INSIDE)},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  the pod's own
        ],
    }


def _literally(text: str) -> str:
    """Return a text that Kubernetes leaves as it is: `$(NAME)` would be replaced, and `$$` is its way to write `$`."""
    return text.replace("$", "$$")


def _resources(order: Order, settings: PodSettings) -> Manifest:
    profile, parts = order.choice.profile, settings.requests_of(order.choice.name)
    return {
        "limits": {"memory": quantity(profile.memory), "cpu": _cores(profile.cpu)},
        "requests": {"memory": quantity(math.ceil(profile.memory * parts.memory)), "cpu": _cores(profile.cpu * parts.cpu)},
    }


def quantity(size_bytes: int) -> str:
    """Return a size as Kubernetes writes it: `2Gi`."""
    return format_size(size_bytes).replace(" ", "").removesuffix("B")


def _cores(cores: float) -> str:
    return f"{max(1, math.ceil(round(cores * 1000, 3)))}m"


def _volumes(order: Order, settings: PodSettings) -> list[Manifest]:
    shared = {"medium": "Memory", "sizeLimit": quantity(order.choice.profile.memory // 2)}
    return [
        {"name": "volume", "csi": {"driver": settings.driver, "volumeAttributes": {"layout": VOLUME_LAYOUT}}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": quantity(_RUN_BYTES)}},
        {"name": "tmp", "emptyDir": {"sizeLimit": quantity(settings.scratch)}},
        {"name": "shm", "emptyDir": shared},
    ]


def _toleration(toleration: Toleration) -> Manifest:
    told = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
        "tolerationSeconds": toleration.seconds,
    }
    return {key: value for key, value in told.items() if value is not None}
