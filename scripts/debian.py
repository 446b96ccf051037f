"""The Debian packages that a part needs, told by what they put on the machine, so that any distribution will do."""

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.running import Log

APT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
LOCK_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """A Debian package, the sign that it is there, and what it costs with all it brings along, in MB."""

    name: str
    sign: str
    download: int
    disk: int

    def present(self) -> bool:
        """Tell whether the package's sign is on the machine."""
        if self.sign.startswith("/"):
            return Path(self.sign).exists()
        if self.sign == "ensurepip":
            return importlib.util.find_spec("ensurepip") is not None
        return shutil.which(self.sign, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


PACKAGES = {
    package.name: package
    for package in (
        Package("python3-venv", "ensurepip", 3, 7),
        Package("python3-dev", f"{sysconfig.get_path('include')}/Python.h", 13, 54),
        Package("gcc", "gcc", 45, 190),
        Package("pkg-config", "pkg-config", 1, 1),
        Package("libfuse3-dev", "/usr/include/fuse3/fuse.h", 1, 1),
        Package("fuse3", "fusermount3", 1, 1),
        Package("bubblewrap", "bwrap", 1, 1),
        Package("chromium", "chromium", 200, 720),
        Package("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 1, 3),
        Package("git", "git", 23, 104),
        Package("fitsverify", "fitsverify", 1, 2),
        Package("rsync", "rsync", 1, 1),
        Package("fio", "fio", 20, 70),
        Package("python3-gavo", "dachs", 150, 700),
        Package("postgresql-15-q3c", "/usr/share/postgresql/15/extension/q3c.control", 20, 70),
        Package("postgresql-15-pgsphere", "/usr/share/postgresql/15/extension/pg_sphere.control", 1, 2),
        Package("stilts", "stilts", 85, 270),
        Package("postgresql-15", "/usr/lib/postgresql/15/bin/initdb", 20, 70),
        Package("containerd", "containerd", 30, 125),
        Package("runc", "runc", 3, 10),
        Package("containernetworking-plugins", "/usr/lib/cni/ptp", 8, 50),
        Package("nftables", "nft", 1, 1),
        Package("iproute2", "ip", 2, 4),
        Package("tini", "tini", 1, 1),
        Package("libnss-extrausers", "/usr/lib/libnss_extrausers.so.2", 1, 1),
    )
}


def missing(names: Iterable[str]) -> tuple[Package, ...]:
    """Return those of the packages whose sign is not on this machine."""
    return tuple(PACKAGES[name] for name in names if not PACKAGES[name].present())


def by_hand(packages: Iterable[Package]) -> str:
    """Return the one line with which an admin installs packages."""
    return "apt-get install --no-install-recommends " + " ".join(package.name for package in packages)


def may_install() -> bool:
    """Tell whether we are root on a machine with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Iterable[Package], log: Log) -> None:
    """Install packages with the machine's own apt; an earlier interrupted dpkg is finished first."""
    log.run(["dpkg", "--configure", "-a"], APT)
    log.run(["apt-get", "update"], APT)
    wait = f"DPkg::Lock::Timeout={LOCK_SECONDS}"
    log.run(["apt-get", "install", "--yes", "-o", wait, "--no-install-recommends", *(package.name for package in packages)], APT)
