"""A keeper with real mounts for tests: its own state directory, a feed that speaks the hub's protocol, and people."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from bowerbird_config import sockets
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role
from bowerbird_fuse import mount
from bowerbird_fuse.held import Held

from tests.support import watcher
from tests.support.checkout import CHECKOUT
from tests.support.feed import Feed

# Five times what is promised: these machines are shared.
BOUND_SECONDS = 5.0
TEAM_GIDS = {"ant": 612001, "bee": 612002, "cat": 612003}
UIDS = {"ann": 611001, "bob": 611002, "cleo": 611003}


def record(name: str, *memberships: Membership, version: int = 1, admin: bool = False) -> IdentityRecord:
    """Return the identity record of somebody with these memberships."""
    gids = {m.team: TEAM_GIDS[m.team] for m in memberships if m.team in TEAM_GIDS}
    return IdentityRecord(version, name, UIDS[name], UIDS[name], tuple(memberships), gids, admin)


def member(team: str) -> Membership:
    """Return a membership without an end."""
    return Membership(team, Role.MEMBER)


def eventually(check: Callable[[], object], seconds: float = BOUND_SECONDS) -> None:
    """Return when `check` says yes; fail where it has not within that time."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


# Temporary directories are root's alone: as in a sandbox, the view is bound to a path that everybody can go to.
_AT_TOP = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", 'mount --rbind "$1" /mnt && cd /mnt && shift && exec "$@"', "sh"]


class Failed(Exception):
    """What somebody did ended with this errno."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass(frozen=True)
class Person:
    """Somebody, who does things at the top of a view as the identity whose view it is."""

    record: IdentityRecord
    path: Path

    def do(self, code: str, **values: Any) -> Any:
        """Run Python code, which has `values` as names, and return what it left in `answer`; Failed for an OSError."""
        with self.start(code, **values) as child:
            out, err = child.communicate(timeout=30)
        assert child.returncode == 0, err
        said = json.loads(out)
        if "errno" in said:
            raise Failed(said["errno"], said["text"])
        return said["answer"]

    def start(self, code: str, pass_fds: tuple[int, ...] = (), **values: object) -> "subprocess.Popen[str]":
        """Start Python code and return its process."""
        child = self.spawn([], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=pass_fds)
        assert child.stdin is not None
        child.stdin.write("".join(f"{name} = {value!r}\n" for name, value in values.items()) + dedent(code))
        child.stdin.close()
        child.stdin = None
        return child

    def spawn(self, argv: list[str], *manner: str, **how: Any) -> "subprocess.Popen[str]":
        """Start a program as this person; without one, the interpreter of `person.py`, in that manner."""
        ids = [str(self.record.uid), str(self.record.gid), ",".join(map(str, [self.record.gid, *self.record.team_gids.values()]))]
        if argv:
            argv = ["setpriv", "--reuid", ids[0], "--regid", ids[1], "--groups", ids[2], *argv]
        else:
            argv = [sys.executable, str(Path(__file__).with_name("person.py")), *ids, *manner]
        return subprocess.Popen([*_AT_TOP, str(self.path), *argv], text=True, **how)

    def sh(self, command: str) -> str:
        """Run a shell command at the top of the view and return what it said; it must succeed."""
        with self.spawn(["sh", "-ec", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
            out, _ = child.communicate(timeout=60)
        assert child.returncode == 0, out
        return str(out)


@dataclass
class DataRig:
    """One keeper over one state directory."""

    var: Var
    platform: Platform
    feed: Feed = field(init=False)
    keeper: "subprocess.Popen[bytes] | None" = None
    holder: "subprocess.Popen[bytes] | None" = None
    watcher: "subprocess.Popen[bytes] | None" = None
    records: dict[str, IdentityRecord] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.var.run.mkdir(parents=True)
        self.var.releases.mkdir(mode=0o700)
        self.feed = Feed(self.var.identity_socket, self.platform)

    @property
    def log(self) -> Path:
        """What keeper and workers wrote."""
        return self.var.root / "keeper.log"

    def release(self, collection: str, name: str, files: Mapping[str, bytes]) -> Path:
        """Put the files of a release where the platform keeps them."""
        top = self.var.releases / collection / name
        for path, data in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(data)
        top.mkdir(parents=True, exist_ok=True)
        return top

    def start(self) -> None:
        """Start the keeper and return when it takes orders."""
        self.prepare()
        self.keeper = self.start_another()
        eventually(lambda: self._takes_orders() or self.keeper is None or self.keeper.poll() is not None, 20)
        assert self.keeper.poll() is None, self.log.read_text()

    def prepare(self) -> None:
        """Start all that a keeper needs."""
        if self.watcher is None:
            self.watch()
        if self.holder is None or self.holder.poll() is not None:
            self.holder = self.start_holder()

    def start_another(self) -> "subprocess.Popen[bytes]":
        """Start a keeper, whether there is one or not."""
        return self.start_part("bowerbird_fuse.keeper", "--var", str(self.var.root))

    def start_holder(self) -> "subprocess.Popen[bytes]":
        """Start a holder and return when it listens."""
        self.var.holder_socket.unlink(missing_ok=True)
        holder = self.start_part("bowerbird_fuse.holder", "--socket", str(self.var.holder_socket))
        eventually(self.var.holder_socket.exists, 20)
        return holder

    def start_part(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a module as a process that writes to the log, and ends with the rig."""
        members = os.pathsep.join([*self.python_path, *(str(CHECKOUT / member) for member in ("config", "fuse"))])
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", *words], env={**os.environ, "PYTHONPATH": members}, stderr=log)

    def watch(self) -> None:
        """Have everything ended when these tests are killed."""
        argv = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watcher.py")), str(self.var.root), str(self.log)]
        self.watcher = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    def _takes_orders(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.order(op="status")["ok"])
        return False

    def order(self, **request: str) -> dict[str, Any]:
        """Give the keeper an order and return its answer."""
        with sockets.connect(self.var.keeper_socket, 30) as connection:
            sockets.write_line(connection, request)
            return next(sockets.read_lines(connection))

    def know(self, *records: IdentityRecord) -> None:
        """Make identities known, or change them."""
        for one in records:
            self.records[one.name] = one
            self.feed.identity(one)

    def mount(self, name: str) -> Person:
        """Mount somebody's view."""
        answer = self.order(op="mount", user=name)
        assert answer["ok"], (answer, self.log.read_text())
        return Person(self.records[name], Path(answer["path"]))

    def view(self, name: str) -> dict[str, Any]:
        """Return what the keeper says of a view."""
        return next(view for view in self.order(op="status")["views"] if view["user"] == name)

    def worker(self, name: str) -> int:
        """Return the pid of the worker that serves a view, once it serves."""
        pids: list[int] = []

        def serves() -> bool:
            view = next((view for view in self.order(op="status")["views"] if view["user"] == name), {"healthy": False})
            pids.append(int(view.get("worker_pid") or 0))
            return bool(view["healthy"])

        eventually(serves, 20)
        return pids[-1]

    def spare(self) -> int | None:
        """Return the pid of the worker that waits warm, where one does."""
        serving = {view["worker_pid"] for view in self.order(op="status")["views"]}
        idle = [pid for pid in self.workers() if pid not in serving]
        return next((pid for pid in idle if b"bowerbird_fuse.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()), None)

    def kill_keeper(self) -> None:
        """End the keeper as a crash would."""
        assert self.keeper is not None
        self.keeper.kill()
        self.keeper.wait()

    def make_room(self) -> None:
        """Ask the keeper to leave its views to the next one, and return when it has."""
        assert self.keeper is not None
        self.keeper.send_signal(signal.SIGUSR1)
        self.keeper.wait(20)

    def kill_holder(self) -> None:
        """End the holder as a crash would."""
        assert self.holder is not None
        self.holder.kill()
        self.holder.wait()

    def held(self) -> list[str]:
        """Return what the holder keeps, by name."""
        held = Held(self.var.holder_socket)
        names = held.names()
        held.close()
        return names

    def stop(self) -> int:
        """Ask the keeper to end, then the holder, and return the keeper's exit code."""
        assert self.keeper is not None
        assert self.holder is not None
        self.keeper.send_signal(signal.SIGTERM)
        code = self.keeper.wait(20)
        self.holder.terminate()
        self.holder.wait(20)
        return code

    def mounts(self) -> list[Path]:
        """Return what is mounted below the state directory."""
        return [point.path for point in mount.mount_points() if point.path.is_relative_to(self.var.root)]

    def workers(self) -> list[int]:
        """Return the pids of this rig's keeper and workers, whoever started them."""
        return list(watcher.processes_logging_to(self.log))

    def clear(self) -> None:
        """Leave nothing, whatever a test has done."""
        self.feed.stop()
        watcher.end(self.log)
        for process in (self.keeper, self.holder):
            if process is not None:
                process.wait(10)
        watcher.detach_below(self.var.root)
        if self.watcher is not None:
            self.watcher.communicate(timeout=20)
