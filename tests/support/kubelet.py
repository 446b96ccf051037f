"""A kubelet for tests: it speaks to a node plugin over gRPC, and makes and names directories as kubelet does.

Messages are written and read here by the field numbers of csi.proto and of kubelet's api.proto, and by nothing of ours.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

Value = str | bool | Mapping[str, str]
Message = Mapping[int, Value]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _lengthy(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def encode(message: Message) -> bytes:
    """Return the protocol buffer with these fields."""
    out = b""
    for number, value in message.items():
        if isinstance(value, bool):
            out += _varint(number << 3) + bytes([value])
        elif isinstance(value, str):
            out += _lengthy(number, value.encode())
        else:
            for key, text in value.items():
                out += _lengthy(number, _lengthy(1, key.encode()) + _lengthy(2, text.encode()))
    return out


def decode(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return the fields of a protocol buffer in their order."""
    found: list[tuple[int, int | bytes]] = []
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            assert key & 7 == 2, data
            size = number()
            found.append((key >> 3, data[at : at + size]))
            at += size
    return found


class CallFailed(Exception):
    """The plugin answered with a status that is not OK."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words = code, words


@dataclass(frozen=True)
class PodVolume:
    """One inline volume of a pod: kubelet's name of it, where it is to be, and what is said of the pod."""

    id: str
    target: Path
    context: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Kubelet:
    """A kubelet over one directory; `driver` is the plugin that it calls."""

    root: Path
    driver: str

    @property
    def socket(self) -> Path:
        return self.root / "plugins" / self.driver / "csi.sock"

    @property
    def registration(self) -> Path:
        return self.root / "plugins_registry" / f"{self.driver}-reg.sock"

    def volume(self, pod: str, name: str = "data", *, uid: str = "", token: str = "", **attributes: str) -> PodVolume:
        """Make the directories of a pod's volume, as kubelet does before it calls."""
        uid = uid or f"0000-{pod}"
        parent = self.root / "pods" / uid / "volumes" / "kubernetes.io~csi" / name
        parent.mkdir(parents=True, exist_ok=True)
        tokens = {self.driver: {"token": token or f"token-of-{uid}", "expirationTimestamp": "2030-01-01T00:00:00Z"}}
        said = {"pod.name": pod, "pod.namespace": "people", "pod.uid": uid, "serviceAccount.name": "default", "ephemeral": "true"}
        context = {f"csi.storage.k8s.io/{key}": value for key, value in said.items()}
        context["csi.storage.k8s.io/serviceAccount.tokens"] = json.dumps(tokens)
        return PodVolume(f"csi-{uid}-{name}", parent / "mount", context | attributes)

    def publish(self, volume: PodVolume, *, readonly: bool = False, seconds: float = 30) -> None:
        capability = {1: "", 2: ""}
        request = encode({1: volume.id, 4: str(volume.target), 6: readonly, 8: volume.context}) + _lengthy(5, encode(capability))
        self.call("csi.v1.Node/NodePublishVolume", request, seconds)

    def unpublish(self, volume: PodVolume, seconds: float = 30) -> None:
        self.call("csi.v1.Node/NodeUnpublishVolume", encode({1: volume.id, 2: str(volume.target)}), seconds)

    def call(self, method: str, request: bytes = b"", seconds: float = 10, socket: Path | None = None) -> list[tuple[int, int | bytes]]:
        """Call a method and return the fields of its answer; CallFailed where the status is not OK."""
        with self._channel(socket or self.socket) as channel:
            call = channel.unary_unary(f"/{method}", request_serializer=None, response_deserializer=None)
            try:
                return decode(call(request, timeout=seconds, wait_for_ready=True))
            except grpc.RpcError as error:
                raise CallFailed(error.code().name, error.details()) from None

    @contextlib.contextmanager
    def _channel(self, socket: Path) -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            yield channel
