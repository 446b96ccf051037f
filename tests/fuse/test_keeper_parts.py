"""The keeper's parts, each alone: processes, records, the feed, directories, and what is imported where."""

import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config import sockets
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_fuse import directories, mount, wire
from bowerbird_fuse.feed import Feed, IdentityGone, IdentityIs, PlatformIs, Synced, last_platform
from bowerbird_fuse.held import Held
from bowerbird_fuse.keeper import Event, Keeper, Stop
from bowerbird_fuse.launch import Answered, Ended, Said, Worker
from bowerbird_fuse.orders import Orders
from bowerbird_fuse.processes import Process, start_ticks
from bowerbird_fuse.records import MountRecord, Records
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.served import ServedView
from bowerbird_fuse.staff import Staff
from bowerbird_fuse.view import SpaceShown, View

from tests.support import feed as support
from tests.support.checkout import CHECKOUT
from tests.support.data_rig import eventually, member, record
from tests.support.platforms import described


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    path = os.pathsep.join(str(CHECKOUT / part) for part in ("config", "fuse"))
    said = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True)
    return set(said.stdout.split())


def test_worker_is_small() -> None:
    assert loaded_by("bowerbird_fuse.worker").isdisjoint({"pydantic", "httpx", "yaml", "asyncio", "bowerbird_config.platform"})


def test_keeper_knows_nothing_of_the_file_system_it_mounts() -> None:
    assert loaded_by("bowerbird_fuse.keeper").isdisjoint({"pyfuse3", "trio", "asyncio", "httpx", "bowerbird_fuse.tree"})


class Looks(queue.SimpleQueue[Event]):
    """A keeper's events, and how often it looked whether there are any."""

    count = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Event:
        self.count += 1
        return super().get(block, timeout)


def test_keeper_to_which_the_hub_has_said_nothing_waits_and_uses_no_core(tmp_path: Path) -> None:
    looks = Looks()
    ending = threading.Timer(1.5, looks.put, [Stop(leave=True)])
    ending.start()
    Keeper(Var(tmp_path), events=looks).run()
    ending.join()
    assert looks.count < 10


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child
        child.kill()


def test_process_is_found_by_pid_and_start_alone(sleeper: "subprocess.Popen[bytes]") -> None:
    ticks = start_ticks(sleeper.pid)
    assert ticks is not None
    found = Process.find(sleeper.pid, ticks)
    assert found is not None
    assert Process.find(sleeper.pid, ticks - 1) is None
    assert not found.ended()
    found.end(5)
    assert found.ended(5)
    assert start_ticks(sleeper.pid) is None
    assert Process.find(sleeper.pid, ticks) is None
    found.send(signal.SIGKILL)
    found.close()


@pytest.mark.root
def test_descriptor_of_another_process_is_duplicated(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, subprocess.Popen(["sleep", "60"], pass_fds=[file.fileno()]) as child:
        held = Process.find(child.pid)
        assert held is not None
        copy = held.duplicate(file.fileno())
        assert os.path.sameopenfile(copy, file.fileno())
        os.close(copy)
        with pytest.raises(OSError, match="descriptor 999"):
            held.duplicate(999)
        held.close()
        child.kill()


def a_record(user: str) -> MountRecord:
    return MountRecord(user, record("ann", member("ant")).to_json(), "00ff", 7, 1, 2, 3, 4)


def test_record_is_read_as_it_was_written_whatever_the_name(tmp_path: Path) -> None:
    records = Records(tmp_path, Held(tmp_path / "holder.sock"))
    written = [a_record(user) for user in ("ann", "a.b@c+d", "..", "ö" * 50)]
    for one in written:
        records.write(one)
    assert sorted(records.all(), key=lambda r: r.user) == sorted(written, key=lambda r: r.user)
    assert written[0].record == record("ann", member("ant"))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    for one in written:
        records.remove(one.user)
    assert list(tmp_path.iterdir()) == []


def test_record_that_cannot_be_read_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "00.json").write_text("{")
    (tmp_path / "01.json").write_text('{"user": "x"}')
    assert list(Records(tmp_path, Held(tmp_path / "holder.sock")).all()) == []
    assert list(tmp_path.iterdir()) == []


PLATFORM = Platform.model_validate(described())


def test_feed_tells_all_at_once_then_changes_and_comes_back_after_the_hub(tmp_path: Path) -> None:
    told: list[object] = []
    hub = support.Feed(tmp_path / "identity.sock", PLATFORM)
    hub.identity(record("ann"))
    listener = Feed(hub.path, told.append)
    listener.start()
    hub.start()
    eventually(lambda: told == [PlatformIs(PLATFORM), IdentityIs(record("ann")), Synced(frozenset({"ann"}))])
    hub.identity(record("bob"))
    hub.forget("ann")
    eventually(lambda: told[3:] == [IdentityIs(record("bob")), IdentityGone("ann")])
    hub.stop()
    hub.start()
    eventually(lambda: told[5:] == [PlatformIs(PLATFORM), IdentityIs(record("bob")), Synced(frozenset({"bob"}))])
    listener.stop()
    hub.stop()


def test_last_platform_file_is_read_if_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "platform.json"
    assert last_platform(path) is None
    path.write_text("{}")
    assert last_platform(path) is None
    path.write_text(PLATFORM.model_dump_json())
    assert last_platform(path) == PLATFORM


def test_release_lies_where_the_platform_says_or_where_it_made_it(tmp_path: Path) -> None:
    from tests.support.views import HOME_SPACE, release, view

    collections = {
        "sky": {"title": "The sky", "releases": {"dr1": {"title": "One", "public": True}, "dr2": {"title": "Two", "public": True}}}
    }
    platform = Platform.model_validate(described(collections=collections, storage={"releases": {"sky/dr1": "/somewhere/else"}}))
    shown = view(release("dr1"), release("dr2"), spaces=(HOME_SPACE, SpaceShown("ant", 7, True)))
    assert directories.places(Var(tmp_path), platform, shown) == {
        "release/sky/dr1": Path("/somewhere/else"),
        "release/sky/dr2": tmp_path / "releases/sky/dr2",
        "home": tmp_path / "homes/ann",
        "team/ant": tmp_path / "spaces/ant",
    }


@pytest.mark.root
def test_spaces_are_made_once_and_never_given_away(tmp_path: Path) -> None:
    var = Var(tmp_path)
    shown = View("ann", 611001, 611001, "", spaces=(SpaceShown(None, 611001, True), SpaceShown("ant", 612001, True)))
    assert directories.make_spaces(var, shown) == {}
    modes = [
        (path.stat().st_uid, path.stat().st_gid, oct(path.stat().st_mode & 0o7777)) for path in (var.homes / "ann", var.spaces / "ant")
    ]
    assert modes == [(611001, 611001, "0o700"), (0, 612001, "0o2770")]
    (var.homes / "ann/file").touch()
    (var.homes / "ann").chmod(0o711)
    assert directories.make_spaces(var, shown) == {}
    assert (var.homes / "ann").stat().st_mode & 0o777 == 0o711
    os.chown(var.homes / "ann", 5, 5)
    assert "belongs to 5:5 and not to 611001:611001" in directories.make_spaces(var, shown)["home"]


# A worker that is somebody's attack: started as a worker is, it says what it likes.
HOSTILE = """
import socket, sys, time
control = socket.socket(fileno=int(sys.argv[1].split("=")[1]))
{act}
time.sleep(60)
"""


@pytest.mark.parametrize(
    "act",
    [
        "control.send(b'nonsense')",
        "control.send(b'x' * 100_000)",
        '[control.send(b\'{"kind": "Standby"}\') for _ in range(100_000)]',
        "socket.send_fds(control, [b'{\"kind\": \"Standby\"}'], [0] * 250); control.send(b'')",
        "import os; os.close(control.detach()); sys.exit(3)",
    ],
)
def test_hostile_worker_ends_and_fills_no_queue(act: str) -> None:
    import socket

    before = set(os.listdir("/proc/self/fd"))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        argv = [sys.executable, "-c", HOSTILE.format(act=act), f"--control={theirs.fileno()}"]
        child = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
    process = Process.find(child.pid)
    assert process is not None
    events: list[Said | Ended | Answered] = []
    worker = Worker(process, 0, (), ours, child)
    worker.watch(events.append)
    if "250" in act:
        eventually(lambda: events == [Said(worker, wire.Standby())] or worker.process.ended(), 10)
        process.send(signal.SIGKILL)
    eventually(lambda: bool(events) and isinstance(events[-1], Ended), 10)
    assert len(events) <= 2
    worker.close()
    eventually(lambda: set(os.listdir("/proc/self/fd")) <= before)


class InTheKernel(Process):
    """A process that no signal ends, as one that waits for a disk."""

    def send(self, number: signal.Signals) -> None:
        """Nothing comes of it."""


def test_worker_that_does_not_end_by_being_killed_is_told_of(sleeper: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    found = Process.find(sleeper.pid)
    assert found is not None
    worker = Worker(InTheKernel(found.pid, found.ticks, found.pidfd))
    assert worker.trouble(time.monotonic() + 60) is None
    worker.kill()
    now = time.monotonic()
    assert worker.trouble(now) is None
    worker.kill()
    said = worker.trouble(now + 60)
    assert said is not None
    assert said.startswith(f"worker {sleeper.pid} was killed 60 s ago and is held in the kernel")
    worker.killed_at = now - 60
    view = ServedView(
        tmp_path,
        Records(tmp_path, Held(tmp_path / "nobody.sock")),
        Staff(lambda _: None, lambda: False),
        record("ann"),
        mount.Device(-1, b"", 0),
        Remains(-1, -1, -1, -1),
        View("ann", 1000, 1000, ""),
        {},
        current=worker,
    )
    assert str(view.to_json()["trouble"]).startswith(f"worker {sleeper.pid} was killed 6")
    sleeper.kill()
    sleeper.wait()
    assert worker.trouble(now + 60) is None
    worker.close()


def test_first_request_says_whether_the_kernel_asks_a_next_worker() -> None:
    def asks(flags: int, more: int) -> bool:
        init = struct.pack("<IIQQIIIHH", 104, 26, 2, 0, 0, 0, 0, 0, 0) + struct.pack("<IIIII44x", 7, 40, 131072, flags, more)
        return mount.Device(-1, init, 0).asks_again

    assert asks(1 << 30, 1 << 7)
    assert not asks(1 << 30, 0)
    assert not asks(0, 1 << 7)
    assert not mount.Device(-1, bytes(56), 0).asks_again


def test_orders_are_taken_again_after_a_moment_without_descriptors(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "keeper.sock", lambda order: order.done(user=order.user))
    # As where no descriptor is left: accept(2) fails at once.
    orders._listener.setblocking(False)
    orders.start()
    with sockets.connect(orders.path, 20) as connection:
        sockets.write_line(connection, {"op": "status", "user": "ann"})
        orders._listener.setblocking(True)
        answer = next(sockets.read_lines(connection))
    orders.close()
    assert answer == {"ok": os.geteuid() == 0, "user": "ann"}
