"""What the volume of a server's pod shows, as node plugins ask for it by the hub's door (nodes/door.py)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bowerbird_config.pods import NEWS, Pod
from bowerbird_hub import pods
from bowerbird_hub.nodes.door import NotYet, VolumeOf
from bowerbird_hub.runtimes import pod_status
from bowerbird_hub.runtimes.pod_ends import PodEnds
from jupyterhub.crypto import decrypt, encrypt

_TOKEN = "token"  # noqa: S105  the name of a file in the volume


class PodVolumes(PodEnds):
    """Tells of the pod that the cluster has of this server, and what is shown to that alone."""

    # KubeSpawner's own.
    namespace: Any
    pod_name: Any
    pod_reflector: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Why the node of a start cannot be the server's.
        self._wrong_node = ""
        # The server's token under the hub's own key: a pod whose node comes back asks for its volume anew, perhaps of another hub.
        self._sealed = ""
        # How many processes its pod may have; 0 where an earlier hub did not keep it.
        self._processes = 0

    @property
    def _pod(self) -> dict[str, Any] | None:
        """The pod as the cluster told of it last."""
        reflector = self.pod_reflector
        return reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector is not None else None

    @property
    def _looked(self) -> bool:
        """Whether the cluster has told which pods there are: a hub that was started anew does not know at once."""
        reflector = self.pod_reflector
        return reflector is not None and reflector.first_load_future.done()

    def _is_mine(self, pod: Pod) -> bool:
        """Tell whether that is this server's pod; NotYet where that is to be seen."""
        found = self._pod
        if found is None and (self._spawn_pending or self._start_pending or (self.server and not self._looked)):
            raise NotYet
        return found is not None and (found["metadata"]["uid"], self.namespace) == (pod.uid, pod.namespace)

    async def _seal(self) -> str:
        sealed: bytes = await encrypt({_TOKEN: self.api_token})
        return sealed.decode()

    async def volume_of(self, pod: Pod) -> VolumeOf | None:
        """Return what the volume of that pod shows; None where it is not this server's pod."""
        if not self._is_mine(pod):
            return None
        record = self._record()
        files = pods.accounts(record, self.live.identities.records(), datetime.now(UTC)) | self._limits_file()
        token = self.api_token or (await decrypt(self._sealed.encode()))[_TOKEN]
        return VolumeOf(self.settings.service_account, record.name, record.uid, files, {_TOKEN: token})

    def _limits_file(self) -> dict[str, str]:
        """Return what the volume says of limits: those of the start, also where its profile is gone by now."""
        profile = self._profile()
        processes = self._processes or (profile.processes if profile else 0)
        return pods.limits(processes) if processes else {}

    def on_a_wrong_node(self) -> str:
        """Let the start end: its node does not reach the home. Return the sentence."""
        node = self._pod["spec"].get("nodeName") if self._pod else None
        self._wrong_node = pod_status.of_wrong_node(node)
        return self._wrong_node

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        """Tell its user that the files that were open are lost; return the files by which the volume says so."""
        return {NEWS: self._tell_remounted().news} if self._is_mine(pod) else {}

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        """Tell its user how many processes were ended for want of memory, as `remounted` does."""
        told = self._tell_killed(kills) if self._is_mine(pod) else None
        return {NEWS: told.news} if told else {}
