"""KubernetesSpawner: single-user servers that are pods. What a pod is, pods.py alone says; KubeSpawner brings it to life."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp import ClientError
from bowerbird_hub import pods
from bowerbird_hub.pods import Order
from bowerbird_hub.runtimes import api_refusals, pod_status, pod_watch, preconditions
from bowerbird_hub.runtimes.looks import answering, until_next
from bowerbird_hub.runtimes.platform_spawner import FAILED, UNAVAILABLE, StartRefused
from bowerbird_hub.runtimes.pod_status import Trouble
from bowerbird_hub.runtimes.pod_volumes import PodVolumes
from bowerbird_hub.runtimes.pod_watch import UNANSWERED
from bowerbird_hub.runtimes.preconditions import NotReady
from jupyterhub.utils import exponential_backoff, url_path_join
from kubernetes_asyncio.client import ApiException, V1DeleteOptions, V1ObjectMeta, V1Pod, V1Preconditions
from kubespawner import KubeSpawner
from traitlets import default

_LOOK_SECONDS = 0.5
_WATCH_SECONDS = 1.0
# So much earlier than JupyterHub gives a start up do we, to say what it was waiting for.
_BEFORE_SECONDS = 2.0
_NOT_BEGUN = "The hub was started anew before your server was. Start it again."


class _Late(Exception):
    """A start took all the time that it may take."""


class KubernetesSpawner(PodVolumes, KubeSpawner):
    """Runs a server as a pod in the namespace of user pods; no trait of KubeSpawner changes what the pod is."""

    ip = "0.0.0.0"  # noqa: S104  within the pod, whose address the network policies guard
    port = pods.PORT
    component_label = pods.COMPONENT
    # So long is an API server asked that does not answer, before a person is told.
    k8s_api_request_retry_timeout = 10
    # What only options could ask for; there is one option, the profile.
    profile_list: tuple[()] = ()
    enable_user_namespaces = storage_pvc_ensure = False
    modify_pod_hook = after_pod_created_hook = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._order: Order | None = None
        self._made = False
        # The address to which the proxy leads.
        self._routed = ""
        # Whether the server is being started, and whether that is what an earlier hub has left.
        self._starting = self._left_starting = False

    @default("namespace")
    def _namespace_of_settings(self) -> str:
        return self.settings.namespace

    @default("pod_name_template")
    def _name_of_ours(self) -> str:
        return pods.pod_name(self.user.name, self.name or "")

    # -- start -----------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the server's pod and return its address when the server answers; StartRefused with a sentence where it cannot be."""
        deadline = self._deadline()
        record, choice, at = self._begin()
        await self._not_on_a_lost_node()
        self._order, self._routed, self._wrong_node = None, "", ""
        self._load_told({"leased": self._leased})
        try:
            order = Order(record, choice, self.name or "", self.get_env(), at)
            self._check(order)
        except NotReady as refusal:
            raise StartRefused(str(refusal), reason="precondition", status_code=UNAVAILABLE) from refusal
        self._order, self._sealed, self._processes = order, await self._seal(), choice.profile.processes
        # From here on a hub that takes this one's place goes on with it.
        self._starting = True
        self._keep_state()
        self._tell(20, "Mounting your data")
        self._tell(40, f"Starting {choice.profile.title}")
        try:
            await self._leave_lost_node(deadline)
            url: str = await self._unless_in_trouble(self._running(), deadline)
            self.obituaries.forget(self.user.name, self.name or "")
            self._tell(60, "Waiting for JupyterLab to answer")
            api = url_path_join(url, self.server.base_url, "api")
            await self._unless_in_trouble(answering(api), deadline)
        except Exception:  # nothing half-made stays, but for the next hub, where this one is being ended
            self._starting = False
            with suppress(*UNANSWERED):
                await asyncio.shield(self.stop(now=True))
            raise
        # Also that of an earlier pod of its name, which KubeSpawner ends before it makes this one.
        self._starting = self._end_is_known = False
        self._tell(95, "Opening JupyterLab")
        return url

    def _deadline(self) -> float:
        seconds: float = max(1.0, self.start_timeout - _BEFORE_SECONDS)
        return asyncio.get_running_loop().time() + seconds

    async def _not_on_a_lost_node(self) -> None:
        """Return where no pod of this server may still write on a node that is lost, or its lease can be taken; StartRefused otherwise.

        KubeSpawner would delete that pod by force, which tells nothing to a node that is only cut off: two servers would write one home.
        """
        try:
            await self._start_watching_pods()
        except UNANSWERED as error:
            raise _unanswered(error) from error
        pod = self._pod
        if pod is not None and pod_status.lost(pod) and not self._may_be_left(pod):
            words = self._of_lost(pod)
            raise StartRefused(words, reason="node", status_code=UNAVAILABLE, log=words)

    async def _leave_lost_node(self, deadline: float) -> None:
        """Have the cluster forget the pod on a lost node, which finds its lease taken by the next one."""
        pod = self._pod
        if pod is None or not pod_status.lost(pod):
            return
        node = pod["spec"].get("nodeName")
        self.log.warning("%s: the server's node %s is lost, and it is started elsewhere", self._log_name, node)
        self._tell(40, f"Leaving the node {node}, which does not answer")
        # That very pod: its node may be back, and have ended it.
        how = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid=pod["metadata"]["uid"]))
        try:
            async with asyncio.timeout_at(deadline):
                await self._delete_pod(how, 0)
                while self._pod is not None:  # noqa: ASYNC110  as in `_watch`
                    await asyncio.sleep(_LOOK_SECONDS)
        except ApiException as error:
            raise refused_by_cluster(error) from error
        except (ClientError, OSError) as error:
            raise _unanswered(error) from error

    async def _delete_pod(self, how: V1DeleteOptions, grace_seconds: int) -> None:
        """Have the cluster delete the pod, as KubeSpawner.stop does; TimeoutError where it does not answer."""
        request = partial(self._make_delete_pod_request, self.pod_name, how, grace_seconds, self.k8s_api_request_timeout)
        await exponential_backoff(request, f"Could not delete pod {self.pod_name}", timeout=self.k8s_api_request_retry_timeout)

    def check_environment(self, name: str) -> None:
        """Return where the environment has an image; NotReady where not."""
        preconditions.image(self.settings.images, name)

    def _check(self, order: Order) -> None:
        profile = order.choice.profile
        preconditions.servers(self._others_running(), self.live.platform.limits.servers_per_user)
        self.check_environment(profile.environment)
        preconditions.variables(pods.environment(order, self.settings), order.choice.name)

    async def _unless_in_trouble(self, step: Awaitable[Any], deadline: float) -> Any:
        """Return what a step of the start returns; StartRefused as soon as the pod says that there is no hope, or time is over."""
        try:
            return await self._raced(step, deadline)
        except _Late as error:
            words = f"Your server was not ready in time. {pod_status.waiting_for(self._pod, self.events)}"
            raise StartRefused(words, reason="start", status_code=UNAVAILABLE, log=words) from error
        except ApiException as error:
            raise refused_by_cluster(error) from error
        except (ClientError, OSError) as error:
            raise _unanswered(error) from error

    async def _raced(self, step: Awaitable[Any], deadline: float) -> Any:
        doing = asyncio.ensure_future(step)
        looking = asyncio.ensure_future(self._trouble())
        try:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({doing, looking}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            if looking.done():
                found = looking.result()
                raise self._failure(found.words, found.log)
            raise _Late
        finally:
            doing.cancel()
            looking.cancel()

    async def _running(self) -> str:
        """Have KubeSpawner make the pod, and return its address soon after it runs; KubeSpawner's own looks are seconds apart by then."""
        self._made = False
        making: asyncio.Future[str] = asyncio.ensure_future(KubeSpawner._start(self))
        try:
            waits = until_next()
            while not making.done():
                pod = self._pod
                if self._made and pod is not None and self.is_pod_running(pod):
                    return str(self._get_pod_url(pod))
                await asyncio.wait({making}, timeout=next(waits))
            return making.result()
        finally:
            making.cancel()

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> bool:
        # From here on the pod of that name is the one that is meant.
        self._made = await super()._make_create_pod_request(pod, request_timeout)
        return self._made

    async def _trouble(self) -> Trouble:
        """Return when the pod says that the server will not come up; tell of the steps until then."""
        told: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._tell_events(told)
            if self._wrong_node:
                return Trouble(f"{self._wrong_node}.")
            pod = self._pod
            found = pod_status.trouble(pod, pod["spec"]["containers"][0]["image"]) if pod is not None else None
            if found is not None:
                return found

    def _tell_events(self, told: set[str]) -> None:
        for event in self.events:
            step = pod_status.told_of(event)
            # A step that comes late would set the page's bar back.
            if step is not None and step[1] not in told and step[0] >= self._steps[-1][0]:
                told.add(step[1])
                self._tell(*step)

    async def load_user_options(self) -> None:
        """Load none: `start` has made the choice."""

    async def get_pod_manifest(self) -> V1Pod:
        """Return the pod of the choice, as KubeSpawner creates it."""
        assert self._order is not None  # noqa: S101  only a start asks for it
        made = pods.pod(self._order, self.settings)
        return V1Pod(api_version=made["apiVersion"], kind=made["kind"], metadata=V1ObjectMeta(**made["metadata"]), spec=made["spec"])

    # -- life ------------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """Return what a restarted hub needs to take the server over."""
        kept = {"starting": self._starting, "sealed": self._sealed, "processes": self._processes}
        return {**KubeSpawner.get_state(self), **self._told(), **kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a server that an earlier hub started."""
        KubeSpawner.load_state(self, state)
        self._load_told(state)
        self._sealed = str(state.get("sealed", ""))
        self._processes = int(state.get("processes", 0))
        self._left_starting = bool(state.get("starting", False))

    def clear_state(self) -> None:
        """Forget a server that has ended, and that it was being started."""
        KubeSpawner.clear_state(self)
        self._starting = self._left_starting = False

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any) -> Any:
        """Watch what the cluster tells, without end; what could not begin is begun anew."""
        key = self._get_reflector_key(kind)
        if key in self.reflectors and pod_watch.failed(self.reflectors[key]):
            del self.reflectors[key]
        return await KubeSpawner._start_reflector(self, kind, pod_watch.tireless(reflector_class), replace, **kwargs)

    async def poll(self) -> int | None:
        """Return None while the pod lives, else the server's status; where the cluster does not tell, it lives."""
        try:
            return await (self._go_on_starting() if self._left_starting and not self._stop_pending else self._look())
        except UNANSWERED as error:
            self.log.warning("%s: the cluster does not tell of its pod (%s)", self._log_name, type(error).__name__)
            return None

    async def _go_on_starting(self) -> int | None:
        """Go on with the start that an earlier hub has begun; return None when the server runs, else tell why it does not."""
        await self._start_watching_pods()
        await self._start_watching_events()
        self._tell(40, "Going on with the start that was under way")
        try:
            await self._unless_in_trouble(self._begun(), self._deadline())
            self.obituaries.forget(self.user.name, self.name or "")
        except StartRefused as refusal:
            self._tell_of(refusal.jupyterhub_message)
            self._end_is_known = True
        self._left_starting = self._starting = False
        self._keep_state()
        return await self._look()

    async def _begun(self) -> None:
        """Return when the pod of an earlier hub's start runs."""
        while not self.is_pod_running(pod := self._pod):
            if self._looked and pod is None:
                raise StartRefused(_NOT_BEGUN, reason="start", status_code=UNAVAILABLE)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> int | None:
        """Return what `poll` does; an end from which the server came back, and one that is not of the hub's doing, is told on the way."""
        pod = self._pod if not self._start_pending else None
        if pod is not None and self._tell_lost(pod):
            # The node may come back with the server; a pod that was deleted meanwhile ends there, and is none any more.
            return 1 if pod["metadata"].get("deletionTimestamp") else None
        if pod is not None:
            self._tell_end(pod)
            self._tell_taken(pod)
            # KubeSpawner would end it.
            if pod_status.comes_again(pod):
                self._tell_away(pod, self.events)
                return None
            self._tell_away_at = None
        status: int | None = await KubeSpawner.poll(self)
        if status is None and self.server and not self.pending:
            await self._keep_route(self.server.url)
        elif status is not None and self._pod is None:
            self._tell_taken(None)
        return status

    async def _keep_route(self, url: str) -> None:
        """Lead the proxy to a pod that has another address since its node is back; JupyterHub looks at its routes every five minutes."""
        if self._routed not in ("", url):
            try:
                await self.user.settings["proxy"].add_user(self.user, self.name or "")
            except (ClientError, OSError) as error:  # the next look tries again
                self.log.warning("%s: the proxy does not take the server's new address (%s)", self._log_name, type(error).__name__)
                return
        self._routed = url

    async def stop(self, now: bool = False) -> None:
        """End the pod; that of a lost node ends when the node is back, and is not waited for."""
        self._end_is_known = True
        # Else it is a start that ends what is in its way.
        if self._stop_pending:
            self._starting = self._left_starting = False
        # Before the pod is deleted: a hub that takes this one's place in between finds it so, and knows why.
        self._keep_state()
        pod = self._pod
        if pod is None or not pod_status.lost(pod):
            await self._end_pod(now)
            return
        grace = self.delete_grace_period
        how = V1DeleteOptions(grace_period_seconds=grace)
        await self._delete_pod(how, grace)

    async def _end_pod(self, now: bool) -> None:
        """Have KubeSpawner end the pod, and return soon after it is gone; KubeSpawner's own looks are seconds apart by then."""
        was_there = self._pod is not None
        ending = asyncio.ensure_future(KubeSpawner.stop(self, now))
        try:
            waits = until_next()
            while not ending.done():
                # One that watches anew, as KubeSpawner does at last, has not seen any.
                if was_there and self._looked and self._pod is None:
                    return
                await asyncio.wait({ending}, timeout=next(waits))
            ending.result()
        finally:
            ending.cancel()

    # JupyterHub polls every few seconds; what the cluster has told the hub is looked at each second.
    def start_polling(self) -> None:
        """Watch the pod."""
        super().start_polling()
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while await self.poll() is None:  # noqa: ASYNC110  what the cluster told is in KubeSpawner's hands, which set no event
            await asyncio.sleep(_WATCH_SECONDS)
        await self.poll_and_notify()


def _unanswered(error: Exception) -> StartRefused:
    words = "Your server cannot be started: the cluster does not answer the hub. Try again in a minute, or tell the admins."
    return StartRefused(words, reason="cluster", status_code=UNAVAILABLE, log=f"{words} ({type(error).__name__})")


def refused_by_cluster(error: ApiException) -> StartRefused:
    """Return the cluster's refusal as a sentence: a quota, an admission, or a right that the hub lacks."""
    words = f"The cluster refuses your server: {api_refusals.said(error)}. The admins of the platform can say why."
    return StartRefused(words, reason="cluster", status_code=FAILED, log=words)
