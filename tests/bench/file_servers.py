"""What `bowerbird bench fuse` measures: the same files natively, through a view, through bindfs, through stock pyfuse3."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_fuse import mount

from tests.bench import file_set
from tests.support.data_rig import DataRig, Person, eventually, record
from tests.support.platforms import described

USER = "ann"
COLLECTION, RELEASE = "sky", "dr1"
_PEER_SECONDS = 20.0
# What the keeper's log says of a view that is to be another.
_CHANGES = f"the view of {USER} changes"
# One thread: with one client it is faster than several. What the kernel may keep, it keeps.
_BINDFS = ["bindfs", "-f", "-o", "kernel_cache,attr_timeout=60,entry_timeout=60,negative_timeout=60"]
BINDFS = "bindfs, one thread, kernel_cache, timeouts 60 s"
STOCK = "stock pyfuse3 + trio, keep_cache, timeouts 60 s"


@dataclass(frozen=True, slots=True)
class Server:
    """The files as they are reached through one server; `pid` is the process that answers for them."""

    release: Path
    home: Path
    pid: int | None = None

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has taken so far, all its threads together."""
        if self.pid is None:
            return 0.0
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory_mib(self) -> float:
        """Return the resident memory of the server."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@dataclass(frozen=True)
class Bench:
    """A keeper over the files, and the client that is run on them as their owner."""

    rig: DataRig
    scratch: Path
    client: Path

    def run(self, work: str, path: Path, count: int = 0, size: int = 0, readers: int = 1) -> tuple[float, int, int]:
        """Return the time of an operation in microseconds, how many there were, and the sum of what was seen."""
        argv = [str(self.client), work, ".", str(count), str(size), str(readers)]
        if not path.is_dir():
            path, argv[2] = path.parent, path.name
        with Person(self.rig.records[USER], path).spawn(argv, stdout=subprocess.PIPE) as child:
            out, _ = child.communicate(timeout=300)
        if child.returncode != 0:
            raise RuntimeError(f"the client could not {work} {path}")
        took, operations, seen = out.split()
        return float(took), int(operations), int(seen)

    @contextmanager
    def native(self) -> Iterator[Server]:
        """Reach the files where they lie."""
        var = self.rig.var
        yield Server(var.releases / COLLECTION / RELEASE, var.homes / USER)

    @contextmanager
    def ours(self) -> Iterator[Server]:
        """Mount the view, and unmount it at the end."""
        path = self.rig.mount(USER).path
        try:
            yield Server(path / "releases" / COLLECTION / RELEASE, path / "home", self.rig.worker(USER))
        finally:
            self.rig.order(op="unmount", user=USER)

    @contextmanager
    def without_passthrough(self) -> Iterator[Server]:
        """Mount the view of a platform that lets the kernel read no file by itself."""
        # Only of a view that is mounted the keeper says that it has heard.
        with self.ours():
            self._let_the_kernel_read(False)
        try:
            with self.ours() as server:
                yield server
        finally:
            with self.ours():
                self._let_the_kernel_read(True)

    def _let_the_kernel_read(self, passthrough: bool) -> None:
        before = self.rig.log.read_text().count(_CHANGES)
        raw = self.rig.platform.model_dump(mode="json") | {"storage": {"passthrough": passthrough}}
        self.rig.feed.platform(Platform.model_validate(raw))
        eventually(lambda: self.rig.log.read_text().count(_CHANGES) > before, _PEER_SECONDS)

    @contextmanager
    def bindfs(self) -> Iterator[Server]:
        """Mount everything with bindfs."""
        if shutil.which("bindfs") is None:
            raise RuntimeError("bindfs is not there to compare with: apt-get install bindfs")
        with self._peer(_BINDFS) as server:
            yield server

    @contextmanager
    def stock(self) -> Iterator[Server]:
        """Mount everything with stock pyfuse3."""
        with self._peer([sys.executable, str(Path(__file__).with_name("stock_passthrough.py"))]) as server:
            yield server

    @contextmanager
    def _peer(self, argv: list[str]) -> Iterator[Server]:
        point, var = self.scratch / "peer", self.rig.var
        point.mkdir(exist_ok=True)
        with subprocess.Popen([*argv, str(var.root), str(point)]) as child:
            try:
                eventually(lambda: mount.mounted(point) or child.poll() is not None, _PEER_SECONDS)
                release, home = (place.relative_to(var.root) for place in (var.releases / COLLECTION / RELEASE, var.homes / USER))
                yield Server(point / release, point / home, child.pid)
            finally:
                mount.detach_all(point)
                _wait(child)


def _wait(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(_PEER_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def build_client(folder: Path) -> Path:
    """Compile the client, which is small enough to cost nothing beside what it measures."""
    program = folder / "file_client"
    source = Path(__file__).with_name("file_client.c")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    program.chmod(0o755)
    return program


def platform() -> Platform:
    """One public release."""
    releases = {RELEASE: {"title": "The files of the bench", "public": True}}
    return Platform.model_validate(described(collections={COLLECTION: {"title": "The sky", "releases": releases}}))


@contextmanager
def bench(scratch: Path) -> Iterator[Bench]:
    """Write the files, bring them into memory, and start a keeper over them; nothing of it is left at the end."""
    rig = DataRig(Var(scratch / "var"), platform())
    owner = record(USER)
    file_set.write_release(rig.var.releases / COLLECTION / RELEASE)
    file_set.write_home(rig.var.homes / USER, owner.uid)
    rig.var.homes.chmod(0o711)
    os.sync()
    rig.feed.start()
    rig.know(owner)
    try:
        rig.start()
        yield Bench(rig, scratch, build_client(scratch))
    finally:
        rig.clear()


def in_turns(number: int, names: list[str]) -> list[str]:
    """Return the names in the order of that round: each is first in its turn."""
    first = number % len(names)
    return names[first:] + names[:first]
