"""Pods of servers that no record of the hub owns are ended: of a start whose answer was lost, or after an older database was put back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import ClientError
from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub import pods
from bowerbird_hub.nodes.door import NotYet
from bowerbird_hub.runtimes import api_refusals
from kubernetes_asyncio.client import ApiException, V1DeleteOptions, V1Preconditions
from kubespawner.clients import shared_client
from sqlalchemy.exc import SQLAlchemyError

Users = Callable[[], Iterable[Any]]
Pause = Callable[[float], Awaitable[None]]
# Tells the pod of the hub that has taken this one's place; nothing while there is none.
Successor = Callable[[], Awaitable[str]]

_log = logging.getLogger("bowerbird.runtime")
_EVERY_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_MOST_AGAIN_SECONDS = 60.0
_GONE = 404, 409
# Longer than an API server takes that answers at all.
_ANSWER_SECONDS = 60.0


async def keep_ending_orphans(settings: PodSettings, users: Users, successor: Successor, pause: Pause = asyncio.sleep) -> None:
    """End them at the hub's start and then each minute: a cluster may make a pod of which the hub heard no answer, and has given up."""
    while True:
        await end_orphans(settings, users, successor, pause)
        await pause(_EVERY_SECONDS)


async def end_orphans(settings: PodSettings, users: Users, successor: Successor, pause: Pause = asyncio.sleep) -> None:
    """End them as soon as the users, whose servers the hub has in mind, are known; what is refused is tried again, ever more seldom."""
    told, wait = "", _AGAIN_SECONDS
    while True:
        try:
            trouble = await _trouble(settings, users, successor)
        except NotYet:
            await pause(_AGAIN_SECONDS)
            continue
        if not trouble:
            return
        if told != (told := trouble):
            _log.warning("what runs without a record is not ended yet: %s", trouble)
        await pause(wait)
        wait = min(2 * wait, _MOST_AGAIN_SECONDS)


async def _trouble(settings: PodSettings, users: Users, successor: Successor) -> str:
    """End what can be ended, and return why something is left; nothing where nothing is."""
    try:
        return await _end(settings, users, successor)
    except ApiException as error:
        return _refusal(error)
    except (ClientError, OSError) as error:
        return f"the cluster does not answer ({type(error).__name__})"
    except SQLAlchemyError as error:
        return f"the hub's database does not answer ({type(error).__name__})"


async def _end(settings: PodSettings, users: Users, successor: Successor) -> str:
    users()
    api = shared_client("CoreV1Api")
    selector = ",".join(f"{name}={value}" for name, value in pods.selector(settings).items())
    listed = await api.list_namespaced_pod(settings.namespace, label_selector=selector, _request_timeout=_ANSWER_SECONDS)
    # Asked after the list, as whatever another hub has made is in none that was made before it took this one's place.
    if other := await successor():
        return f"the hub of pod {other} has taken this one's place"
    # Looked at after the list: whatever is in it was asked for before, and has its record by now.
    owned = {spawner.pod_name for user in users() for spawner in user.spawners.values() if spawner.active}
    orphans = [pod.metadata for pod in listed.items if pod.metadata.name not in owned and not pod.metadata.deletion_timestamp]
    refused = [f"{orphan.name}: {words}" for orphan in orphans if (words := await _delete(api, orphan))]
    if len(refused) < len(orphans):
        _log.warning("servers without a record that were ended: %d", len(orphans) - len(refused))
    more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
    return refused[0] + more if refused else ""


async def _delete(api: Any, pod: Any) -> str:
    """End that very pod, and none that a start has made meanwhile in its place; return why it was refused."""
    try:
        that = V1DeleteOptions(preconditions=V1Preconditions(uid=pod.uid))
        await api.delete_namespaced_pod(pod.name, pod.namespace, body=that, _request_timeout=_ANSWER_SECONDS)
    except ApiException as error:
        return "" if error.status in _GONE else _refusal(error)
    return ""


def _refusal(error: ApiException) -> str:
    return f"the cluster answers {error.status}, {api_refusals.said(error)}"
