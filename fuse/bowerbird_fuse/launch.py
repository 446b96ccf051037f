"""Starting a worker and speaking with it; what it says, and its end, come as events."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bowerbird_fuse import directories, wire
from bowerbird_fuse.broker import Broker, mount_number
from bowerbird_fuse.broker import start as broker_of
from bowerbird_fuse.directories import Place
from bowerbird_fuse.meter import Slot
from bowerbird_fuse.processes import Process
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.view import View

# What a worker's interpreter needs of our environment, and no more.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LANG", "TZ")
_BUFFER_BYTES = 1 << 20
# Whom SIGKILL has not ended in this time, the kernel does not let go.
_STUCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """A worker said something."""

    worker: "Worker"
    message: wire.Message


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker is gone."""

    worker: "Worker"


@dataclass(frozen=True, slots=True)
class Answered:
    """A mount answered a stat of its root, or did not in time."""

    user: str
    ok: bool


Tell = Callable[[Said | Ended | Answered], None]


@dataclass(eq=False)
class Worker:
    """A worker process; one that an earlier keeper started has no `control`, and is only waited for.

    `device` and `remains` are the numbers of these descriptors in that process, once it has them; `broker` hands files of its
    releases to the kernel.
    """

    process: Process
    device: int = -1
    remains: tuple[int, ...] = ()
    control: socket.socket | None = None
    child: subprocess.Popen[bytes] | None = None
    groups: frozenset[int] | None = None
    killed_at: float | None = None
    broker: Broker | None = None
    _trees: dict[str, int] = field(default_factory=dict)
    _sent: dict[str, tuple[Place, bool]] = field(default_factory=dict)
    _heard: set[type[wire.Message]] = field(default_factory=set)

    @classmethod
    def start(cls, inherited: Sequence[int] = ()) -> "Worker":
        """Start a worker, which waits for its mount; what is inherited is open for as long as it lives, and nothing else to it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        argv = [sys.executable, "-P", "-m", "bowerbird_fuse.worker", f"--control={theirs.fileno()}"]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            child = subprocess.Popen(
                argv,
                pass_fds=(theirs.fileno(), *inherited),
                env=environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        process = Process.find(child.pid)
        if process is None:
            ours.close()
            raise ChildProcessError(f"a worker ended at once, with code {child.wait()}")
        return cls(process, control=ours, child=child)

    def mount(self, device: int, remains: Remains) -> None:
        """Hand over the mount that it is to serve; OSError where it does not listen."""
        first, *others = range(wire.FIRST_FD, wire.FIRST_FD + 1 + len(remains.fds))
        self.device, self.remains = first, tuple(others)
        if self.control is None:
            return
        self.broker, asking = broker_of(device)
        with asking:
            wire.send(self.control, wire.Mount(), [device, *remains.fds, asking.fileno()])

    def watch(self, tell: Tell) -> None:
        """Tell what it says, and its end, from a thread of its own."""
        threading.Thread(target=self._watch, args=(tell,), name=f"worker {self.process.pid}", daemon=True).start()

    def _watch(self, tell: Tell) -> None:
        poll = select.poll()
        poll.register(self.process.pidfd, select.POLLIN)
        listening = self.control
        if listening is not None:
            poll.register(listening, select.POLLIN)
        while self.process.pidfd not in dict(poll.poll()):
            if listening is not None and not self._hear(listening, tell):
                poll.unregister(listening)
                listening = None
        if self.child is not None:
            self.child.wait()
        tell(Ended(self))

    def _hear(self, control: socket.socket, tell: Tell) -> bool:
        """Pass one message on; tell whether there may be more. A worker that says what none says ends, unheard."""
        try:
            message, fds = wire.receive(control)
        except (OSError, wire.WireError):
            self.kill()
            return False
        wire.close_all(fds)
        if message is None:
            return False
        # Each is said once: so a worker cannot fill our queue.
        if type(message) in self._heard:
            self.kill()
            return False
        self._heard.add(type(message))
        tell(Said(self, message))
        return True

    def show(self, view: View, places: dict[str, Place]) -> None:
        """Hand over a view and the directories that it does not have yet; OSError where it does not listen."""
        if self.control is None:
            return
        if self.groups is None:
            self.groups = view.groups
        wanted = {key: (place, view.writable[key]) for key, place in places.items()}
        fresh = [(key, *where) for key, where in wanted.items() if self._sent.get(key) != where]
        opened: list[tuple[str, int, Slot | None]] = []
        try:
            for key, place, writable in fresh:
                opened.append((key, directories.open_directory(place.path, writable), place.slot))
            self._trees |= {key: mount_number(fd) for key, fd, _ in opened if not view.writable[key]}
            if self.broker is not None:
                self.broker.trees = frozenset(number for key, number in self._trees.items() if key in view.direct)
            for message, fds in wire.store_messages(opened):
                wire.send(self.control, message, fds)
        finally:
            wire.close_all(fd for _, fd, _ in opened)
        self._sent = wanted
        memory = wire.view_memory(view)
        try:
            wire.send(self.control, wire.Show(), [memory])
        finally:
            os.close(memory)

    def go(self, init: bytes) -> None:
        """Let it answer the kernel."""
        if self.control is not None:
            wire.send(self.control, wire.Go(init.hex()))

    def kill(self) -> None:
        """End it at once, whatever it is at."""
        if self.killed_at is None:
            self.killed_at = time.monotonic()
        self.process.send(signal.SIGKILL)

    def trouble(self, now: float) -> str | None:
        """Say what keeps one from its end that was killed a while ago; `now` is the monotonic clock."""
        if self.killed_at is None or now - self.killed_at < _STUCK_SECONDS or self.process.ended():
            return None
        pid = self.process.pid
        return (
            f"worker {pid} was killed {now - self.killed_at:.0f} s ago and is held in the kernel, mostly by a disk that does not answer: "
            f"/proc/{pid}/wchan and /proc/{pid}/stack say where"
        )

    @property
    def left_calls(self) -> bool:
        """Tell of one that has ended whether it may have left calls that it had taken without an answer."""
        return self.killed_at is not None or (self.child is not None and self.child.returncode != 0)

    def close(self) -> None:
        """Let go of one that has ended."""
        if self.control is not None:
            self.control.close()
        self.process.close()
