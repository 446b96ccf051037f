"""The hub's own record of the pods that it made, which node plugins ask by the hub's door (nodes/door.py)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bowerbird_config.pods import Pod
from bowerbird_hub.nodes.door import VolumeOf
from bowerbird_hub.runtimes.kubernetes import KubernetesSpawner


class PodServers:
    """Every server of every user that the hub has in mind, by the name of its pod."""

    def __init__(self, users: Callable[[], Iterable[Any]]) -> None:
        self._users = users

    async def volume_of(self, pod: Pod) -> VolumeOf | None:
        """Return what the volume of that pod shows; None for a pod that is no server of ours, NotYet where that is to be seen."""
        for spawner in self._of(pod):
            return await spawner.volume_of(pod)
        return None

    def remounted(self, pod: Pod) -> None:
        """Tell the pod's user that what was open in the view is lost."""
        for spawner in self._of(pod):
            spawner.remounted()

    def _of(self, pod: Pod) -> Iterator[KubernetesSpawner]:
        for user in self._users():
            for spawner in user.spawners.values():
                if isinstance(spawner, KubernetesSpawner) and (spawner.namespace, spawner.pod_name) == (pod.namespace, pod.name):
                    yield spawner
