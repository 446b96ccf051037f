"""The hub's own record of the pods that it made, which node plugins ask by the hub's door (nodes/door.py)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bowerbird_config.pods import Pod
from bowerbird_hub.nodes.door import VolumeOf, WrongNode
from bowerbird_hub.nodes.storage import HomeStorage
from bowerbird_hub.runtimes.kubernetes import KubernetesSpawner


class PodServers:
    """Every server of every user that the hub has in mind, by the name of its pod."""

    def __init__(self, users: Callable[[], Iterable[Any]], storage: HomeStorage) -> None:
        self._users = users
        self._storage = storage

    async def volume_of(self, pod: Pod, storage: str) -> VolumeOf | None:
        """Return what the volume of that pod shows; None for a pod that is no server of ours, NotYet where that is to be seen.

        `storage` is the mark of its node's storage; WrongNode where homes are on another.
        """
        for spawner in self._of(pod):
            volume = await spawner.volume_of(pod)
            if volume is not None and not self._storage.has_homes(storage):
                raise WrongNode(spawner.on_a_wrong_node())
            if volume is not None:
                spawner.shown(pod, storage)
            return volume
        return None

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        """Tell the pod's user that what was open in the view is lost; return the files by which the volume says so."""
        return next((spawner.remounted(pod) for spawner in self._of(pod)), {})

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        """Tell the pod's user how many processes were ended for want of memory, as `remounted` does."""
        return next((spawner.killed(pod, kills) for spawner in self._of(pod)), {})

    def _of(self, pod: Pod) -> Iterator[KubernetesSpawner]:
        for user in self._users():
            for spawner in user.spawners.values():
                if isinstance(spawner, KubernetesSpawner) and (spawner.namespace, spawner.pod_name) == (pod.namespace, pod.name):
                    yield spawner
