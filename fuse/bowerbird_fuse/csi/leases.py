"""Which pod of a name has its user's data, told to all nodes on the storage that they share: `leases/NAMESPACE NAME`.

A pod is started elsewhere when the cluster has given up its node, which may be cut off and alive. So the node of now writes the
pod's uid into the lease, and waits before it shows anything; the node before looks each second, and takes away what it shows to
a pod whose lease is another's. Its plugin and its keeper must be alive for that. A pod that was started before there were leases
has none, and on storage that is a node's own no node reads of another: in neither case is anything taken away.

A lease is written in place and never renamed over: NFS shows what was written to whoever opens a file, and what a name stands
for only after a while. A free one stays for months, since who comes back late reads in it too that its pod is not the last.
Storage that does not answer takes no lease away: nobody can write there, and an outage would cost everybody's open files.

Locks: a lease is read and written under flock, which keeps other nodes out, and `_writing`, which keeps this process's threads
out; fcntl's own lock would end when `lost` closes the same file. Nobody waits for another node's flock: kubelet asks again.

Storage takes the lock away from a node that it does not hear of. So what a node was about when it hung, and finds when it goes
on, may be of long ago: whoever had the lock for too long writes no more, and trusts nothing of it. What such a node had written
already and its kernel sends late, each next one tells by its number: leases count up, and the node that has the higher one, or had
the same one first, writes its own again.
"""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bowerbird_config.pods import Pod

from bowerbird_fuse.csi.errors import Busy

# A lease has one length, so that a shorter one leaves nothing of a longer one behind.
_BYTES = 4096
# Less than storage waits for a node before it gives the node's locks to another: 30 s and more.
_LOCKED_SECONDS = 20.0
# No node is cut off for so long, and comes back with the pod that it had.
_FREE_DAYS = 90
_DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Lease:
    """The uid of the pod that has the data, and its node; a free one is whoever's comes next.

    `before` is the node that may not know it yet, and `taken` when it was first told so, by the seconds that `node` was up:
    no clock that is set changes them, and after a boot they begin anew, which `node` alone can tell. `number` goes up
    whenever another node takes it, or anybody one that was free; it begins with the time, so that a removed lease is followed by none
    with a lower one. What has none, 0, is of a plugin of before there were numbers, and is never taken for late.
    """

    uid: str
    node: str
    before: str = ""
    taken: float = 0.0
    free: bool = False
    number: int = field(default=0, compare=False)


class Leases:
    """The leases in a directory, for one node; a node before has some seconds to notice that one was taken."""

    def __init__(self, directory: Path, node: str, seconds: float, *, locked_seconds: float = _LOCKED_SECONDS) -> None:
        self._directory = directory
        self._node = node
        self._seconds = seconds
        self._locked_seconds = locked_seconds
        self._writing = threading.RLock()
        self._mine: dict[Pod, Lease | None] = {}
        self._looked = False

    def take(self, pod: Pod) -> Lease:
        """Give that pod the lease of its name, and return it; Busy while another node writes it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked(pod, os.O_CREAT) as locked:
            # First: what was half done is given back too.
            self._mine[pod] = None
            found = locked.read()
            self._mine[pod] = lease = locked.write(found, self._next(found, pod))
            return lease

    def seconds_left(self, lease: Lease) -> float:
        """Return how long a lease of this node's is not to be used yet."""
        return max(0.0, lease.taken + self._seconds - time.monotonic()) if lease.before else 0.0

    def lost(self, pod: Pod) -> Lease | None:
        """Return the lease that a pod of that name has taken on another node; None otherwise: on this one kubelet ends the earlier."""
        found = self._found(pod)
        if found is None or found.uid == pod.uid or found.node == self._node:
            return None
        return None if self._is_late(pod, found) else found

    def _is_late(self, pod: Pod, found: Lease) -> bool:
        """Tell whether a lease was written by a node that hung, over one of this node's that is newer; this one is written again then."""
        mine = self._mine.get(pod)
        if mine is None or not found.number or mine.number < found.number:
            return False
        with self._locked(pod) as locked:
            if locked.read() == found:
                locked.write(found, mine)
        return True

    def give_back(self, pod: Pod, here: Callable[[Pod], bool] = lambda _pod: False) -> None:
        """Free the lease, unless another pod has it by now or this one is `here`, as it is told while nobody can take it.

        While a node before has yet to notice it stays, as whoever comes next has to wait too; `mine` goes on to name it.
        """
        with self._writing:
            with contextlib.suppress(FileNotFoundError), self._locked(pod) as locked:
                if here(pod):
                    return
                found = locked.read()
                if found is not None and self._has(found) and found.uid == pod.uid:
                    lease = self._next(found, pod)
                    waits = self.seconds_left(lease) > 0
                    self._mine[pod] = locked.write(found, replace(lease, free=not waits))
                    if waits:
                        return
            # Before anybody here takes it again.
            self._mine.pop(pod, None)

    def mine(self) -> set[Pod]:
        """Return the pods with a lease of this node's: what an earlier plugin left, and what was taken since."""
        if not self._looked:
            left = [each for path in self._directory.glob("* *") if (each := self._left(path)) is not None]
            with self._writing:
                self._mine = {**dict(left), **self._mine}
            self._looked = True
        with self._writing:
            return set(self._mine)

    def _next(self, found: Lease | None, pod: Pod) -> Lease:
        if found is None:
            return Lease(pod.uid, self._node, number=int(time.time()))
        if found.free:
            return Lease(pod.uid, self._node, number=found.number + 1)
        if found.node != self._node:
            return Lease(pod.uid, self._node, found.node, time.monotonic(), number=found.number + 1)
        # The node before was told when this one first took it, whichever pod that was for; or before the last boot.
        return replace(found, uid=pod.uid, taken=min(found.taken, time.monotonic()))

    def _has(self, lease: Lease) -> bool:
        return lease.node == self._node and not lease.free

    def _left(self, path: Path) -> tuple[Pod, Lease] | None:
        """Return a lease of this node's with its pod, and remove one that has been free for so long that nobody comes back to it."""
        namespace, _, name = path.name.partition(" ")
        pod = Pod(namespace, name, "")
        with contextlib.suppress(OSError, Busy):  # one that cannot be read is not in the way of the others
            found = self._found(pod)
            if found is not None and self._has(found):
                return replace(pod, uid=found.uid), found
            if found is not None and found.free and time.time() - path.stat().st_mtime > _FREE_DAYS * _DAY_SECONDS:
                self._remove(pod)
        return None

    def _remove(self, pod: Pod) -> None:
        with self._locked(pod) as locked:
            # Read again: somebody may have taken it meanwhile.
            found = locked.read()
            if found is not None and found.free:
                self._path(pod).unlink()

    def _found(self, pod: Pod) -> Lease | None:
        with contextlib.suppress(FileNotFoundError), self._opened(pod, os.O_RDONLY) as fd:
            return _read(fd)
        return None

    @contextlib.contextmanager
    def _locked(self, pod: Pod, flags: int = 0) -> Iterator["_Locked"]:
        with self._writing:
            until = time.clock_gettime(time.CLOCK_BOOTTIME) + self._locked_seconds
            with self._opened(pod, os.O_RDWR | flags) as fd:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise Busy(f"another node has the lease of pod {pod} in hand") from error
                # Another node has removed it between our opening and our lock.
                if not os.fstat(fd).st_nlink:
                    raise Busy(f"the lease of pod {pod} is made anew")
                yield _Locked(fd, pod, until)

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
        # One that a plugin of before wrote has no number.
        number = int(told.get("number", 0))
        return Lease(str(told["uid"]), str(told["node"]), str(told["before"]), float(told["taken"]), bool(told["free"]), number)
    return None


@dataclass(frozen=True, slots=True)
class _Locked:
    """The open file of a lease, which no other node has locked before that time."""

    fd: int
    pod: Pod
    until: float

    def read(self) -> Lease | None:
        """Return what it says; None as `_read`."""
        return _read(self.fd)

    def write(self, found: Lease | None, lease: Lease) -> Lease:
        """Have it say something else than what was found, and return that; Busy where it may be another node's by now."""
        self._still()
        if lease != found:
            os.pwrite(self.fd, json.dumps(asdict(lease)).encode().ljust(_BYTES), 0)
            os.fsync(self.fd)
            self._still()
        return lease

    def _still(self) -> None:
        if time.clock_gettime(time.CLOCK_BOOTTIME) > self.until:
            raise Busy(f"the storage did not answer in time about the lease of pod {self.pod}")
