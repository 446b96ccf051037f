"""The cluster's programs, built from pinned Go modules and kept in the user's cache by the hash of what they are made of.

`python -m tests.support.cluster.programs` builds them all and prints where they lie.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.cluster.kept import kept
from tests.support.cluster.lacking import ClusterMissing, require_go

SOURCES = Path(__file__).parents[2] / "cluster/go"
VERSION = "v1.34.4"
# A first build on two busy cores takes some 20 minutes.
_SECONDS = 3000
# Without cgo the programs are static, so that an image needs nothing but its program.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
# After the user's own, such as `-p=1` on a machine with other work.
_FLAGS = "-mod=readonly -buildvcs=false -trimpath"


def _version_flags() -> str:
    told = {"gitVersion": VERSION, "gitMajor": "1", "gitMinor": "34", "gitTreeState": "clean", "gitCommit": "go-modules"}
    told["buildDate"] = "1970-01-01T00:00:00Z"
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in told.items())


@dataclass(frozen=True, slots=True)
class Build:
    """One `go build` in a module's folder."""

    module: str
    packages: tuple[str, ...]
    flags: str = "-s -w"

    def __str__(self) -> str:
        return f"{' '.join(self.packages)} of the module {self.module}"


BUILDS = (
    Build("kubernetes", ("./kube", "./netpol", "./pause"), f"-s -w {_version_flags()}"),
    # Not with kube: Go refuses the two spellings of logrus's path in one build.
    Build("kubernetes", ("github.com/rancher/local-path-provisioner",)),
    # CoreDNS wants a newer client-go than this Kubernetes, hence a module of its own.
    Build("dns", ("./dns",)),
)
# What no node runs by itself is built for those who ask for it, and kept apart.
TRAEFIK = (
    Build("traefik", ("github.com/traefik/traefik/v3/cmd/traefik",), "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=v3.6.12"),
)


def fingerprint(builds: Sequence[Build], sources: Path | None = None) -> str:
    """Return a hash of all that builds are made of: their modules' files, our own Go in them, and how they are built."""
    sources = sources or SOURCES
    made_of = hashlib.sha256(repr((builds, _ENVIRONMENT, _FLAGS)).encode())
    modules = {sources / build.module for build in builds}
    for path in sorted(path for module in modules for path in module.rglob("*")):
        if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
            made_of.update(f"{path.relative_to(sources)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return made_of.hexdigest()[:16]


def programs() -> Path:
    """Return the folder of the cluster's own programs; ClusterMissing where they do not build."""
    return _kept("programs", BUILDS)


def traefik() -> Path:
    """Return the folder of Traefik, k3s's Ingress controller; ClusterMissing where it does not build."""
    return _kept("traefik", TRAEFIK)


def _kept(kind: str, builds: Sequence[Build]) -> Path:
    require_go()
    return kept(kind, fingerprint(builds), partial(_build_all, builds))


def _build_all(builds: Sequence[Build], folder: Path) -> None:
    for build in builds:
        _build(build, folder)
    if (folder / "kube").exists():
        (folder / "kubectl").symlink_to("kube")


def _build(build: Build, into: Path) -> None:
    argv = ["nice", "-n", "19", "go", "build", "-ldflags", build.flags, "-o", f"{into}/", *build.packages]
    try:
        ended = subprocess.run(
            argv,
            cwd=SOURCES / build.module,
            env={**os.environ, **_ENVIRONMENT, "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} {_FLAGS}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        raise ClusterMissing(f"{build} was not built within {_SECONDS} s; Go keeps what it has") from late
    if ended.returncode:
        raise ClusterMissing(f"{build} does not build: {ended.stdout[-2000:]}")


if __name__ == "__main__":
    try:
        print(programs(), traefik(), sep="\n")
    except ClusterMissing as missing:
        sys.exit(str(missing))
