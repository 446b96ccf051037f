"""What the cluster tells of pods and their events, watched without end: KubeSpawner gives up on an API server that is away for a minute."""

import asyncio
from typing import Any

from aiohttp import ClientError
from kubernetes_asyncio.client import ApiException
from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import EventReflector, PodReflector

_AGAIN_SECONDS = 1.0
# TimeoutError is an OSError.
UNANSWERED = ApiException, ClientError, OSError


class _Tireless(ResourceReflector):
    # A watch ends after ten by itself; one whose API server has lost its power says nothing any more.
    request_timeout = 20

    async def _list_and_update(self, resource_version: str | None = None) -> str:
        """List what there is; once that was done, as often as it takes."""
        told = False
        while True:
            try:
                version: str = await super()._list_and_update(resource_version)
            except UNANSWERED as error:
                if not self.first_load_future.done():
                    raise
                if not told:
                    self.log.warning("the cluster does not tell of its %s (%s): what it told last holds", self.kind, type(error).__name__)
                told, resource_version = True, "0"
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                if told:
                    self.log.warning("the cluster tells of its %s again", self.kind)
                return version


class _Pods(_Tireless, PodReflector):
    """Pods."""


class _Events(_Tireless, EventReflector):
    """Their events."""


_TIRELESS: dict[Any, Any] = {PodReflector: _Pods, EventReflector: _Events}


def tireless(kind: Any) -> Any:
    """Return the class that watches what that one of KubeSpawner's does, and does not give up."""
    return _TIRELESS[kind]


def failed(reflector: Any) -> bool:
    """Tell whether it could not even begin: KubeSpawner would keep it, and see no pod for ever."""
    loaded = reflector.first_load_future
    return bool(loaded.done() and (loaded.cancelled() or loaded.exception() is not None))
