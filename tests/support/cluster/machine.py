"""A machine of the cluster: namespaces with a disk, a network card and a pid 1. To kill pid 1 is a power cut."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests.support.cluster import cgroups
from tests.support.processes import began, children

_INIT = Path(__file__).with_suffix(".sh")
_ETC = ("passwd", "group", "nsswitch.conf", "protocols", "services", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives")
_SECONDS = 20.0


def run(*argv: str, check: bool = True, text: str | None = None, seconds: float = _SECONDS) -> str:
    """Run a program of this machine to its end and return what it printed; RuntimeError with its words where it fails."""
    ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=seconds)
    if check and ended.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {ended.stderr.strip() or ended.stdout.strip() or ended.returncode}")
    return ended.stdout


def wait_for(done: Callable[[], bool], what: str, seconds: float, *, every: float = 0.05) -> None:
    """Wait until something is so; TimeoutError with its name where it is not within the seconds."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


@dataclass(slots=True)
class Machine:
    """One machine, on or off. Its disk outlives a power cut."""

    name: str
    cluster: str
    folder: Path
    programs: Path
    images: Path
    address: IPv4Address
    prefix: int
    routes: Sequence[tuple[IPv4Network, IPv4Address]] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def disk(self) -> Path:
        """Its file system, as this machine sees it."""
        return self.folder / self.name

    @property
    def storage(self) -> Path:
        """What all machines have at `/srv/bowerbird`, as they would a disk of the first node's by NFS."""
        return self.folder / "node1/srv/bowerbird"

    @property
    def card(self) -> str:
        """Its network card's other end, in the bridge."""
        return f"{self.cluster}-{self.name.replace('node', 'n')}"

    @property
    def log(self) -> Path:
        """Where pid 1 complains."""
        return self.folder / f"{self.name}.log"

    @property
    def is_on(self) -> bool:
        """Whether it was switched on, and not off again."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Pid 1 of the machine, as this machine counts."""
        assert self._process is not None, f"{self.name} is off"
        return next(iter(children(self._process.pid)), 0)

    def install(self, services: str, files: dict[str, str]) -> None:
        """Write the disk: what pid 1 runs, and configuration files by their path."""
        etc = self.disk / "etc"
        etc.mkdir(parents=True)
        for name in _ETC:
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, etc / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, etc / name)
        hosts = f"127.0.0.1 localhost\n{self.address} {self.name}\n"
        for path, text in {"etc/hosts": hosts, "etc/resolv.conf": "", "etc/machine/services": services, **files}.items():
            target = self.disk / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def boot(self) -> None:
        """Switch it on. It ends with this process, however that ends: a run of tests that is killed leaves no machine."""
        cgroups.make(f"{self.cluster}/{self.name}")
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=KILL"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "bash", str(_INIT), *map(str, (self.disk, self.name, self.programs, self.images, self.storage))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.folder.joinpath(f"{self.name}.pid").write_text(f"{self._process.pid} {began(self._process.pid)}")
        wait_for(lambda: bool(self.on() and self.pid), f"{self.name} is on", _SECONDS, every=0.01)
        self._connect()

    def on(self) -> bool:
        """Tell that it is on; RuntimeError with the words of pid 1 where it went off by itself."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} went off: {self.log.read_text(errors='replace')[-1000:]}")
        return True

    def _connect(self) -> None:
        pid = str(self.pid)
        run("ip", "link", "add", self.card, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "link", "set", self.card, "master", self.cluster, "up")
        # No default route: nothing of a cluster can leave this machine.
        commands = ["link set lo up", "link set eth0 up", f"address add {self.address}/{self.prefix} dev eth0"]
        commands += [f"route add {network} via {gateway}" for network, gateway in self.routes]
        run("nsenter", "-t", pid, "-n", "ip", "-batch", "-", text="\n".join(commands))

    def inside(self, *argv: str) -> list[str]:
        """Return the command that runs a command in the machine."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", *argv]

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Take its network away while the block runs; all that runs on it goes on, and reaches the shared storage."""
        run("ip", "link", "set", self.card, "down")
        try:
            yield
        finally:
            run("ip", "link", "set", self.card, "up")

    def power_cut(self) -> None:
        """Switch it off, at once: the namespaces take every process, mount, interface and rule with them."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid or self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS)
        self._process = None
        run("ip", "link", "delete", self.card, check=False)
        cgroups.remove(f"{self.cluster}/{self.name}")
        self.folder.joinpath(f"{self.name}.pid").unlink(missing_ok=True)
