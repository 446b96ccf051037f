"""What a pod's status and its events say to the person whose server it is, in sentences. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub.pods import CONTAINER, LEASE

Part = Mapping[str, Any]

# Waiting that ends by itself no more, or only when an admin does something.
_NO_IMAGE = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ErrImageInspect", "RegistryUnavailable"})
_NO_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_OUT_OF_MEMORY = "OOMKilled"
# What is said of a container by a node that was off meanwhile, and has no word of its end.
_WITH_ITS_NODE = frozenset({"Unknown", "ContainerStatusUnknown"})
_ADMINS = "The admins of the platform can say why."
_NO_STATE: Part = {}
_AGAIN = "Your files are kept, what its kernels held is lost; the server can be started again."
# Why the cluster takes a pod away, by the reasons of its own condition; what has none was deleted by somebody.
_DISRUPTED = {
    "EvictionByEvictionAPI": "because its node is being emptied",
    "DeletionByTaintManager": "because its node takes no servers any more",
    "DeletionByPodGC": "because its node is gone from the cluster",
    "PreemptionByScheduler": "to make room for what is more urgent",
}
_BY_SOMEBODY = "by the cluster or its admins, not by the hub"
_ON_NODE = "Your home and your teams' spaces are on that node, so the server cannot be started elsewhere; it comes back with its node."
_SHARED = "Your home and your teams' spaces are on storage that other nodes reach:"
_ELSEWHERE = "stop the server and start it again, and it comes up on another node, without what ran in it; or it comes back with its node."
_UNFENCED = "the server comes back with its node, or can be started elsewhere as soon as the admins have declared that node out of service."


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a server will not come up, and the end of its log where it has one."""

    words: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a server within its pod, which starts it again."""

    restarts: int
    words: str


def trouble(pod: Part, image: str) -> Trouble | None:
    """Return why the server of a pod that is starting will not come up; None while it may."""
    state, last = _states(pod)
    ended = state.get("terminated") or last.get("terminated")
    if ended:
        words = "reached its memory limit and ended" if ended.get("reason") == _OUT_OF_MEMORY else "ended"
        return Trouble(f"Your server {words} while it was starting.", ended.get("message") or "")
    waiting = state.get("waiting", _NO_STATE)
    if waiting.get("reason") in _NO_IMAGE:
        return Trouble(f"The image {image} of this profile's environment cannot be fetched ({_why(waiting)}). {_ADMINS}")
    if waiting.get("reason") in _NO_CONTAINER:
        return Trouble(f"Your server cannot be started on its node ({_why(waiting)}). {_ADMINS}")
    if pod["status"].get("phase") == "Failed":
        return Trouble(f"Your server was ended by its node ({_why(pod['status'])}).")
    return None


def waiting_for(pod: Part | None, events: Iterable[Part]) -> str:
    """Return what a server that is not up in time was waiting for."""
    reasons = {event.get("reason"): event.get("message") or "" for event in events}
    if pod is None:
        return "The cluster made no pod of it."
    scheduled = next((each for each in pod["status"].get("conditions") or () if each["type"] == "PodScheduled"), _NO_STATE)
    if scheduled.get("status") == "False":
        return f"No node of the cluster has room for it: {_short(scheduled.get('message'))}. A smaller profile may find room."
    if "FailedMount" in reasons:
        return f"Your data could not be mounted: {_of_plugin(reasons['FailedMount'])}. {_ADMINS}"
    state, _ = _states(pod)
    if state.get("waiting", _NO_STATE).get("reason") == "ErrImagePull" or ("Pulling" in reasons and "Pulled" not in reasons):
        return "Its environment was still being fetched to its node; try again in a while."
    return "It did not say why."


def told_of(event: Part) -> tuple[int, str] | None:
    """Return the step of a start that an event tells of, as a percentage and in words; None for what is of no interest."""
    message = _short(event.get("message"))
    steps = {
        "FailedScheduling": (41, f"Waiting for a node with room: {message}"),
        "TriggeredScaleUp": (42, "The cluster is getting another node"),
        "Scheduled": (44, "A node was found"),
        "FailedMount": (45, f"Waiting for your data to be mounted: {_of_plugin(event.get('message'))}"),
        "Pulling": (48, "Fetching the environment to the node, which may take minutes the first time"),
        "Failed": (50, f"The node says: {message}"),
        "BackOff": (50, f"The node says: {message}"),
        "Pulled": (52, "The environment is on the node"),
        "Started": (56, "The server's process runs"),
    }
    return steps.get(event.get("reason") or "")


def end(pod: Part, told_restarts: int, limit: str) -> End | None:
    """Return the newest end of a server that runs on, where there are more than those already told of; None where not."""
    for container in pod["status"].get("containerStatuses") or ():
        restarts = container.get("restartCount") or 0
        if container["name"] == CONTAINER and restarts > told_restarts:
            ended = (container.get("lastState") or {}).get("terminated") or {}
            return End(restarts, f"Your server {_why_ended(ended, limit)} and has been started again; what its kernels held is lost.")
    return None


def comes_again(pod: Part) -> bool:
    """Tell whether the server has ended and its pod is about to start it again, as pods.py has it do where that was no success.

    A pod whose node had no power says the same for as long as the node takes to show it its volume.
    """
    state, _ = _states(pod)
    ended = state.get("terminated")
    goes_on = pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    return bool(ended and ended.get("exitCode")) and goes_on


def taken(pod: Part | None) -> str | None:
    """Return why the cluster ends a server that the hub has not ended; None while it does not."""
    if pod is None:
        return f"Your server was ended {_BY_SOMEBODY}. {_AGAIN}"
    if pod["status"].get("phase") == "Failed":
        return f"Your server was ended by its node ({_why(pod['status'])}). {_AGAIN}"
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    said = next((each for each in pod["status"].get("conditions") or () if each["type"] == "DisruptionTarget"), _NO_STATE)
    return f"Your server was ended {_DISRUPTED.get(said.get('reason') or '', _BY_SOMEBODY)}. {_AGAIN}"


def lost(pod: Part) -> bool:
    """Tell whether the cluster has given up the pod's node, for now.

    A kubelet says the same of a pod and of its containers; a pod that is not ready while its containers are was marked by the
    control plane, whom the node has not answered for as long as the cluster waits.
    """
    said = {each["type"]: each["status"] for each in pod["status"].get("conditions") or ()}
    return said.get("Ready") == "False" and said.get("ContainersReady") == "True"


def may_be_left(pod: Part, settings: PodSettings, leased: str) -> bool:
    """Tell whether the server may be started elsewhere while its lost node may still run this pod.

    Other nodes have to reach the data, and that node, should it only be cut off, has to find the pod's lease taken: the hub that
    made it and the node plugin that showed its data, as the uid in `leased` says, both have to be of since there are leases.
    """
    told = pod["metadata"].get("annotations") or {}
    return settings.shared_storage and told.get(settings.label("lease")) == LEASE and pod["metadata"]["uid"] == leased


def of_lost(pod: Part, settings: PodSettings, leased: str) -> str:
    """Return what is to be said of a server whose node is lost: whether it can be started elsewhere."""
    node = f"Your server's node {pod['spec'].get('nodeName')} does not answer the cluster: it has lost its power or its network."
    if not settings.shared_storage:
        return f"{node} {_ON_NODE}"
    return f"{node} {_SHARED} {_ELSEWHERE if may_be_left(pod, settings, leased) else _UNFENCED}"


def of_wrong_node(node: str | None) -> str:
    """Return what is to be said of a server on a node that has another storage than homes and spaces are on."""
    return f"Your home is not on node {node}: what data.storage names is another file system there, and must be the same on all nodes"


def _why_ended(ended: Part, limit: str) -> str:
    if ended.get("reason") in _WITH_ITS_NODE:
        return "ended when its node went off"
    status = ended.get("exitCode")
    by_itself = "stopped by itself" if status is None else f"stopped by itself with status {status}"
    return f"{f'reached its memory limit of {limit}' if ended.get('reason') == _OUT_OF_MEMORY else by_itself}, was ended"


def _states(pod: Part) -> tuple[Part, Part]:
    """Return the state of the server's container, and the one before."""
    for container in pod["status"].get("containerStatuses") or ():
        if container["name"] == CONTAINER:
            return container.get("state") or _NO_STATE, container.get("lastState") or _NO_STATE
    return _NO_STATE, _NO_STATE


def _why(told: Part) -> str:
    return _short(told.get("message")) or str(told.get("reason"))


def _of_plugin(message: str | None) -> str:
    """Return what the node plugin said, of which kubelet makes a longer sentence."""
    return _short((message or "").rpartition("desc = ")[2])


def _short(message: str | None, longest: int = 200) -> str:
    text = " ".join((message or "").split()).rstrip(".")
    return text if len(text) <= longest else f"{text[:longest]}…"
