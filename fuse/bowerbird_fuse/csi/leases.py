"""Which pod of a name has its user's data, told to all nodes on the storage that they share: `leases/NAMESPACE NAME`.

A pod is started elsewhere when the cluster has given up its node, which may be cut off and alive. So the node of now writes the
pod's uid into the lease, and waits before it shows anything; the node before looks each second, and takes away what it shows to
a pod whose lease is another's.

A lease is written in place, never renamed over: NFS shows what was written to whoever opens a file, and what a name stands for
only after a while. Storage that does not answer takes no lease away: nobody can write there, and an outage would cost everybody's
open files.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.pods import Pod

# A lease has one length, so that a shorter one leaves nothing of a longer one behind.
_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Lease:
    """The uid of the pod that has the data, and its node; `before` is the node that may not know it yet."""

    uid: str
    node: str
    before: str = ""


class Leases:
    """The leases in a directory, for one node."""

    def __init__(self, directory: Path, node: str) -> None:
        self._directory = directory
        self._node = node

    def take(self, pod: Pod) -> Lease:
        """Give that pod the lease of its name, and return it; where it has a node before, `settle` is due when that has had time."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._opened(pod, os.O_RDWR | os.O_CREAT) as fd:
            found = _read(fd)
            if found is not None and found.uid == pod.uid:
                return found
            before = "" if found is None or found.node == self._node else found.node
            return _write(fd, Lease(pod.uid, self._node, before))

    def settle(self, pod: Pod) -> None:
        """Note that the node before has had its time, where the pod still has the lease."""
        with self._opened(pod, os.O_RDWR) as fd:
            found = _read(fd)
            if found is not None and found.uid == pod.uid:
                _write(fd, Lease(pod.uid, self._node))

    def lost(self, pod: Pod) -> Lease | None:
        """Return the lease that a pod of that name has taken on another node; None otherwise: on this one kubelet ends the earlier."""
        found = self._found(pod)
        return None if found is None or found.uid == pod.uid or found.node == self._node else found

    def give_back(self, pod: Pod) -> None:
        """Take the lease away, unless another pod has it by now."""
        found = self._found(pod)
        if found is not None and found.uid == pod.uid:
            self._path(pod).unlink(missing_ok=True)

    def _found(self, pod: Pod) -> Lease | None:
        with contextlib.suppress(FileNotFoundError), self._opened(pod, os.O_RDONLY) as fd:
            return _read(fd)
        return None

    @contextlib.contextmanager
    def _opened(self, pod: Pod, flags: int) -> Iterator[int]:
        fd = os.open(self._path(pod), flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)

    def _path(self, pod: Pod) -> Path:
        # No name of Kubernetes has a space.
        return self._directory / f"{pod.namespace} {pod.name}"


def _read(fd: int) -> Lease | None:
    """Return what a lease says; None for one that cannot be read, as one that is just being made."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        told: dict[str, Any] = json.loads(os.pread(fd, _BYTES, 0))
        return Lease(str(told["uid"]), str(told["node"]), str(told["before"]))
    return None


def _write(fd: int, lease: Lease) -> Lease:
    os.pwrite(fd, json.dumps(asdict(lease)).encode().ljust(_BYTES), 0)
    os.fsync(fd)
    return lease
