"""Pods of servers that no record of the hub owns, as after an older copy of its database was put back: ended at its start."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import ClientError
from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub import pods
from bowerbird_hub.nodes.door import NotYet
from kubernetes_asyncio.client import ApiException, V1DeleteOptions, V1Preconditions
from kubespawner.clients import shared_client

Users = Callable[[], Iterable[Any]]

_log = logging.getLogger("bowerbird.runtime")
_AGAIN_SECONDS = 1.0
_GONE = 404, 409


async def end_orphans(settings: PodSettings, users: Users) -> None:
    """End them as soon as the users, whose servers the hub has in mind, are known and the cluster answers."""
    told = ""
    while True:
        try:
            await _end(settings, users)
        except NotYet:
            pass
        except (ApiException, ClientError, OSError) as error:
            if told != (told := type(error).__name__):
                _log.warning("what runs without a record is not ended yet: the cluster does not answer (%s)", told)
        else:
            return
        await asyncio.sleep(_AGAIN_SECONDS)


async def _end(settings: PodSettings, users: Users) -> None:
    users()
    api = shared_client("CoreV1Api")
    selector = ",".join(f"{name}={value}" for name, value in pods.selector(settings).items())
    listed = await api.list_namespaced_pod(settings.namespace, label_selector=selector)
    # Looked at after the list: whatever is in it was asked for before, and has its record by now.
    owned = {spawner.pod_name for user in users() for spawner in user.spawners.values() if spawner.active}
    orphans = [pod.metadata for pod in listed.items if pod.metadata.name not in owned and not pod.metadata.deletion_timestamp]
    for orphan in orphans:
        await _delete(api, orphan)
    if orphans:
        _log.warning("%d servers without a record were ended", len(orphans))


async def _delete(api: Any, pod: Any) -> None:
    try:
        # That very pod, and none that a start has made meanwhile in its place.
        await api.delete_namespaced_pod(pod.name, pod.namespace, body=V1DeleteOptions(preconditions=V1Preconditions(uid=pod.uid)))
    except ApiException as error:
        if error.status not in _GONE:
            raise
