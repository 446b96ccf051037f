"""The steps of the set-up: what each installs, what it costs, and how one sees that it is done."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts import aladin, proxy
from scripts.environments import ENVIRONMENTS, Environment
from scripts.folders import replace_folder
from scripts.running import Log
from scripts.uv import Uv

BUILD_TOOLS = ("gcc", "python3-dev", "pkg-config", "libfuse3-dev", "fuse3")
# Wheels that are the same for every Python and machine as far as the data in them goes.
FOREIGN = ("--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28")
REQUIREMENT = re.compile(r"^([a-z0-9._-]+)==(?:.*\\\n)*.*\n?", re.M)


@dataclass(frozen=True)
class Cost:
    """Megabytes over the network, and on the disk, where nothing of it is there yet."""

    download: int = 0
    disk: int = 0


@dataclass(frozen=True)
class Step:
    """One thing to install: done when its stamp holds its fingerprint."""

    title: str
    stamp: Path
    fingerprint: str
    work: Callable[[], None]
    cost: Cost = Cost()
    packages: tuple[str, ...] = ()
    without: str = ""

    def done(self) -> bool:
        """Tell whether nothing is left to do."""
        try:
            return self.stamp.read_text() == self.fingerprint
        except (FileNotFoundError, NotADirectoryError):
            return False

    def run(self) -> None:
        """Do the work, then leave the stamp."""
        self.work()
        self.stamp.write_text(self.fingerprint)


# What a step needs of Debian, and what a machine without it does not get.
NEEDS = {
    "fuse": (BUILD_TOOLS, "no releases and spaces under /data"),
    "test": (BUILD_TOOLS, "no tests"),
}
# Environments of profiles that `bowerbird images install` makes.
ON_DEMAND = ("aat",)
# Measured on x86-64 with Python 3.11, in this order: what one environment fetched, the next ones need not.
COSTS = {
    "hub": Cost(36, 172),
    "fuse": Cost(6, 28),
    "lab": Cost(141, 770),
    "cas": Cost(14, 72),
    "services": Cost(33, 134),
    "test": Cost(98, 1290),
    "aat": Cost(45, 1150),
}


class Workshop:
    """Knows a checkout, and makes the steps for what is wanted of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / ".bowerbird"
        self.log = Log(self.state / "setup.log")
        self.uv = Uv(root, self.log)

    def steps(self, need: str) -> list[Step]:
        """Return the steps for a need, in order: `hub` (commands that only read), `up`, `test`, or an environment of `ON_DEMAND`."""
        steps = [self._tools(), *self._environment("hub")]
        if need in ("up", "test"):
            steps += [step for name in ("fuse", "lab", "cas", "services") for step in self._environment(name)]
            steps += [self._proxy(), self._aladin("lab"), self._demo_data()]
        # What was once asked for is kept in step with the checkout.
        for name in ON_DEMAND:
            if need == name or (need in ("up", "test") and ENVIRONMENTS[name].folder(self.root).exists()):
                steps += [*self._environment(name), *([self._proxy()] if need == name else []), self._aladin(name)]
        if need == "test":
            steps += self._environment("test")
        return steps

    def _tools(self) -> Step:
        fingerprint = self._hash("requirements/tools.txt")
        title = "uv, which installs the Python packages"
        return Step(title, self.uv.folder / "stamp", fingerprint, self.uv.bring, Cost(18, 63), packages=("python3-venv",))

    def _environment(self, name: str) -> Iterator[Step]:
        environment = ENVIRONMENTS[name]
        packages, without = NEEDS.get(name, ((), ""))
        yield self._packages(environment, packages, without)
        if environment.members:
            yield self._members(environment, packages, without)

    def _packages(self, environment: Environment, packages: tuple[str, ...], without: str) -> Step:
        return Step(
            f"environment '{environment.name}': {environment.count(self.root)} packages",
            environment.folder(self.root) / "stamp.packages",
            environment.packages_fingerprint(self.root),
            lambda: environment.install_packages(self.root, self.uv),
            COSTS[environment.name],
            packages,
            without,
        )

    def _members(self, environment: Environment, packages: tuple[str, ...], without: str) -> Step:
        return Step(
            f"environment '{environment.name}': our own {' and '.join(environment.members)}",
            environment.folder(self.root) / "stamp.members",
            environment.members_fingerprint(self.root),
            lambda: environment.install_members(self.root, self.uv),
            Cost(),
            packages,
            without,
        )

    def _proxy(self) -> Step:
        fingerprint = self._hash("package-lock.json", "requirements/node.txt")
        cost = Cost(3, 9) if proxy.system_has_node() else Cost(65, 216)
        stamp = self.state / "node/stamp"
        return Step(
            "the proxy in front of the hub, and Aladin Lite", stamp, fingerprint, lambda: proxy.install(self.root, self.uv, self.log), cost
        )

    def _aladin(self, name: str) -> Step:
        environment = ENVIRONMENTS[name].folder(self.root)
        # A new environment has none, so the stamp lies in it.
        stamp = aladin.place(environment) / "stamp"
        fingerprint = self._hash("package-lock.json")
        return Step(
            f"Aladin Lite, in the environment '{name}'", stamp, fingerprint, lambda: aladin.install(self.root, environment), Cost(0, 3)
        )

    def _demo_data(self) -> Step:
        fingerprint = self._hash("requirements/demo.txt")
        title = "packages with the data of the demo releases"
        return Step(title, self.state / "demo-data/stamp", fingerprint, self._unpack_demo_data, Cost(108, 180))

    def _unpack_demo_data(self) -> None:
        new = self.state / ".demo-data.new"
        new.mkdir(parents=True, exist_ok=True)
        for requirement in REQUIREMENT.finditer((self.root / "requirements/demo.txt").read_text()):
            one = new / f"{requirement[1]}.txt"
            one.write_text(requirement[0])
            self.uv.unpack(new / requirement[1], one, *FOREIGN)
            one.unlink()
        replace_folder(self.state / "demo-data", new)

    def _hash(self, *names: str) -> str:
        return hashlib.sha256(b"\0".join((self.root / name).read_bytes() for name in names)).hexdigest()
