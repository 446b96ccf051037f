"""Which pod of a name has its user's data, told to all nodes on the storage that they share: `leases/NAMESPACE NAME`.

A pod is started elsewhere when the cluster has given up its node, which may be cut off and alive. So the node of now writes the
pod's uid into the lease, and waits before it shows anything; the node before looks each second, and takes away what it shows to
a pod whose lease is another's. Its plugin and its keeper must be alive for that. A pod that was started before there were leases
has none, and on storage that is a node's own no node reads of another: in neither case is anything taken away.

A lease is written in place, never renamed over and never removed: NFS shows what was written to whoever opens a file, and what a
name stands for only after a while; and who comes back late reads in a free lease too that its pod is not the last. Storage that
does not answer takes no lease away: nobody can write there, and an outage would cost everybody's open files.

Locks: a lease is read and written under flock, which keeps other nodes out, and `_writing`, which keeps this process's threads
out; fcntl's own lock would end when `lost` closes the same file. Nobody waits for another node's flock: kubelet asks again.
"""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bowerbird_config.pods import Pod

from bowerbird_fuse.csi.errors import Busy

# A lease has one length, so that a shorter one leaves nothing of a longer one behind.
_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Lease:
    """The uid of the pod that has the data, and its node; a free one is whoever's comes next.

    `before` is the node that may not know it yet, and `taken` when it was first told so, by the seconds that `node` was up:
    no clock that is set changes them, and after a boot they begin anew, which `node` alone can tell.
    """

    uid: str
    node: str
    before: str = ""
    taken: float = 0.0
    free: bool = False


class Leases:
    """The leases in a directory, for one node; a node before has some seconds to notice that one was taken."""

    def __init__(self, directory: Path, node: str, seconds: float) -> None:
        self._directory = directory
        self._node = node
        self._seconds = seconds
        self._writing = threading.Lock()
        self._mine: set[Pod] = set()
        self._looked = False

    def take(self, pod: Pod) -> Lease:
        """Give that pod the lease of its name, and return it; Busy while another node writes it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked(pod, os.O_CREAT) as fd:
            # First: what was half done is given back too.
            self._mine.add(pod)
            found = _read(fd)
            return _write(fd, found, self._next(found, pod))

    def seconds_left(self, lease: Lease) -> float:
        """Return how long a lease of this node's is not to be used yet."""
        return max(0.0, lease.taken + self._seconds - time.monotonic()) if lease.before else 0.0

    def lost(self, pod: Pod) -> Lease | None:
        """Return the lease that a pod of that name has taken on another node; None otherwise: on this one kubelet ends the earlier."""
        found = self._found(pod)
        return None if found is None or found.uid == pod.uid or found.node == self._node else found

    def give_back(self, pod: Pod, here: Callable[[Pod], bool] = lambda _pod: False) -> None:
        """Free the lease, unless another pod has it by now or this one is `here`, as it is told while nobody can take it.

        While a node before has yet to notice it stays, as whoever comes next has to wait too; `mine` goes on to name it.
        """
        with contextlib.suppress(FileNotFoundError), self._locked(pod) as fd:
            if here(pod):
                return
            found = _read(fd)
            if found is not None and self._has(found) and found.uid == pod.uid:
                lease = self._next(found, pod)
                waits = self.seconds_left(lease) > 0
                _write(fd, found, replace(lease, free=not waits))
                if waits:
                    return
        self._mine.discard(pod)

    def mine(self) -> set[Pod]:
        """Return the pods with a lease of this node's: what an earlier plugin left, and what was taken since."""
        if not self._looked:
            left = {pod for path in self._directory.glob("* *") if (pod := self._left(path)) is not None}
            with self._writing:
                self._mine |= left
            self._looked = True
        with self._writing:
            return set(self._mine)

    def _next(self, found: Lease | None, pod: Pod) -> Lease:
        if found is None or found.free:
            return Lease(pod.uid, self._node)
        if found.node != self._node:
            return Lease(pod.uid, self._node, found.node, time.monotonic())
        # The node before was told when this one first took it, whichever pod that was for; or before the last boot.
        return replace(found, uid=pod.uid, taken=min(found.taken, time.monotonic()))

    def _has(self, lease: Lease) -> bool:
        return lease.node == self._node and not lease.free

    def _left(self, path: Path) -> Pod | None:
        namespace, _, name = path.name.partition(" ")
        pod = Pod(namespace, name, "")
        with contextlib.suppress(OSError):  # one that cannot be read is not in the way of the others
            found = self._found(pod)
            if found is not None and self._has(found):
                return replace(pod, uid=found.uid)
        return None

    def _found(self, pod: Pod) -> Lease | None:
        with contextlib.suppress(FileNotFoundError), self._opened(pod, os.O_RDONLY) as fd:
            return _read(fd)
        return None

    @contextlib.contextmanager
    def _locked(self, pod: Pod, flags: int = 0) -> Iterator[int]:
        with self._writing, self._opened(pod, os.O_RDWR | flags) as fd:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"another node has the lease of pod {pod} in hand") from error
            yield fd

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
        return Lease(str(told["uid"]), str(told["node"]), str(told["before"]), float(told["taken"]), bool(told["free"]))
    return None


def _write(fd: int, found: Lease | None, lease: Lease) -> Lease:
    if lease != found:
        os.pwrite(fd, json.dumps(asdict(lease)).encode().ljust(_BYTES), 0)
        os.fsync(fd)
    return lease
