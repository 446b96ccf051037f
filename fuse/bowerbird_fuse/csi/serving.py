"""The gRPC edge: kubelet's calls in, our answers and status codes out."""

import logging
import os

# Nothing here forks; gRPC's own care for it would only make threads.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bowerbird_fuse.csi import claims
from bowerbird_fuse.csi.errors import Away, Busy, CallError, Denied, Malformed
from bowerbird_fuse.csi.messages import CSI, REGISTRATION, SERVICES, Method
from bowerbird_fuse.csi.metrics import Calls
from bowerbird_fuse.csi.publisher import Publisher
from bowerbird_fuse.csi.targets import Target

log = logging.getLogger(__name__)

_CALLS_AT_ONCE = 16
# Within it a call has asked the hub and the keeper, or given up.
FINISH_SECONDS = 40.0
_SUPPORTED_VERSIONS = ("1.0.0",)
_STATUS = {
    Malformed: grpc.StatusCode.INVALID_ARGUMENT,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Away: grpc.StatusCode.UNAVAILABLE,
    Busy: grpc.StatusCode.ABORTED,
}
Call = Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Driver:
    """What this plugin is to kubelet: the CSIDriver's name, the node's, its own version, kubelet's directories."""

    name: str
    node: str
    version: str
    kubelet: Path

    @property
    def pods(self) -> Path:
        """Where kubelet has the directories of pods."""
        return self.kubelet / "pods"

    @property
    def socket(self) -> Path:
        """Where kubelet calls."""
        return self.kubelet / "plugins" / self.name / "csi.sock"

    @property
    def registration(self) -> Path:
        """Where kubelet finds out that there is a plugin."""
        return self.kubelet / "plugins_registry" / f"{self.name}-reg.sock"


def node_calls(driver: Driver, publisher: Publisher) -> dict[str, dict[str, Call]]:
    """Return what answers csi.v1's calls, by service and name."""

    def publish(request: Any) -> Mapping[str, Any]:
        publisher.publish(claims.parse(request, driver.pods, driver.name))
        return {}

    def unpublish(request: Any) -> Mapping[str, Any]:
        publisher.unpublish(request.volume_id, Target.parse(driver.pods, request.target_path))
        return {}

    return {
        f"{CSI}.Identity": {
            "GetPluginInfo": lambda _: {"name": driver.name, "vendor_version": driver.version},
            "GetPluginCapabilities": lambda _: {},
            "Probe": lambda _: {"ready": {"value": True}},
        },
        f"{CSI}.Node": {
            "NodePublishVolume": publish,
            "NodeUnpublishVolume": unpublish,
            "NodeGetCapabilities": lambda _: {},
            "NodeGetInfo": lambda _: {"node_id": driver.node},
        },
    }


def registration_calls(driver: Driver) -> dict[str, dict[str, Call]]:
    """Return what answers kubelet's calls when it has found the registration socket."""

    def registered(request: Any) -> Mapping[str, Any]:
        if request.plugin_registered:
            log.info("kubelet has registered %s", driver.name)
        else:
            log.error("kubelet does not register %s: %s", driver.name, request.error)
        return {}

    about = {"type": "CSIPlugin", "name": driver.name, "endpoint": str(driver.socket), "supported_versions": _SUPPORTED_VERSIONS}
    return {f"{REGISTRATION}.Registration": {"GetInfo": lambda _: about, "NotifyRegistrationStatus": registered}}


class Endpoint:
    """One socket at which calls are answered; root alone comes to it."""

    def __init__(self, socket: Path, answers: Mapping[str, Mapping[str, Call]], calls: Calls) -> None:
        """Answer from now on; each call is counted."""
        self._socket = socket
        socket.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # One that a dead plugin left would be in the way.
        socket.unlink(missing_ok=True)
        self._server = grpc.server(ThreadPoolExecutor(_CALLS_AT_ONCE))
        for service, methods in answers.items():
            handlers = {name: _handler(SERVICES[service][name], name, call, calls) for name, call in methods.items()}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()
        socket.chmod(0o600)

    def close(self) -> None:
        """Take no more calls, finish those that came, and remove the socket."""
        self._server.stop(FINISH_SECONDS).wait()
        self._socket.unlink(missing_ok=True)


def _handler(method: Method, name: str, call: Call, calls: Calls) -> Any:
    def answer(request: Any, context: Any) -> Any:
        try:
            reply = method.reply(**call(request))
        except CallError as error:
            log.warning("%s is not done: %s", name, error)
            code, words = _STATUS[type(error)], str(error)
        except OSError as error:
            log.exception("%s failed", name)
            code, words = grpc.StatusCode.INTERNAL, f"the node plugin failed: {error}"
        else:
            calls.count(name, "OK")
            return reply
        calls.count(name, code.name)
        return context.abort(code, words)

    return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=method.request.FromString, response_serializer=_bytes)


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
