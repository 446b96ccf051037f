"""Who knows no pod and no token: what a hub's door asks where only the services come to it."""

from collections.abc import Mapping

from bowerbird_config.pods import Pod
from bowerbird_hub.nodes.door import VolumeOf
from bowerbird_hub.nodes.reviews import Bearer


class Nobody:
    """Knows no pod and no token."""

    async def review(self, token: str, audience: str) -> Bearer | None:
        return None

    async def volume_of(self, pod: Pod, _storage: str) -> VolumeOf | None:
        return None

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        raise AssertionError(pod)

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        raise AssertionError((pod, kills))
