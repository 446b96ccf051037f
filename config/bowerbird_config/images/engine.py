"""podman or buildah, as command lines: pure, but for looking which of them is there."""

import json
import os
import resource
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES = ("buildah", "podman")
DEBIAN = "localhost/bowerbird/debian:bookworm"
SUITE = "bookworm"
# Where an image's build finds the machine's own settings of the package clients, and where a test finds the contract.
MACHINE = "/run/machine"
CONTRACT = "/run/contract"
_OCI = "org.opencontainers.image."
_LIMITS = {"nofile": 1 << 20, "nproc": 1 << 15}


class CannotBuild(Exception):
    """An image cannot be made or used here; the text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Tag:
    """The name of an image of ours, with its version."""

    name: str
    version: str
    registry: str = "localhost"

    def __str__(self) -> str:
        return f"{self.registry.rstrip('/')}/bowerbird/{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Engine:
    """The program that builds."""

    program: str

    @property
    def kind(self) -> str:
        """`buildah` or `podman`."""
        return Path(self.program).name

    def build(self, context: Path, tag: Tag, base: str, *, arguments: Mapping[str, str], mounts: Mapping[Path, str]) -> list[str]:
        """Return the command that builds an image of a checkout."""
        said = {"BASE": base, **arguments}
        return [
            self.program,
            "build",
            # As a process of this machine's own, where neither a runtime nor a network of containers is asked for.
            "--isolation=chroot",
            "--network=host",
            "--pull=never" if base.startswith("localhost/") else "--pull=missing",
            *(f"--ulimit={name}={limit}:{limit}" for name, limit in limits().items()),
            *(f"--volume={source}:{target}:ro" for source, target in mounts.items()),
            *(f"--build-arg={name}={value}" for name, value in said.items()),
            f"--ignorefile={context / 'images' / 'containerignore'}",
            f"--file={context / 'images' / tag.name / 'Containerfile'}",
            f"--tag={tag}",
            str(context),
        ]

    def listing(self) -> list[str]:
        """Return the command that lists images as JSON."""
        return [self.program, "images", "--json"] if self.kind == "buildah" else [self.program, "images", "--format", "json"]

    def telling(self, tag: Tag) -> list[str]:
        """Return the command that tells all of an image as JSON."""
        return [self.program, "inspect", "--type", "image", str(tag)]

    def save(self, tag: Tag, file: Path) -> list[str]:
        """Return the command that writes an image into a file which every engine and k3s can read."""
        if self.kind == "buildah":
            return [self.program, "push", str(tag), f"docker-archive:{file}:{tag}"]
        return [self.program, "save", "--format=docker-archive", f"--output={file}", str(tag)]


def names_of(listing: str) -> dict[str, str]:
    """Return the images of an engine's listing by their names, each with its size as the engine says it."""
    found = json.loads(listing or "[]") or []
    return {name: _size(image) for image in found for name in image.get("names") or image.get("Names") or ()}


def _size(image: Mapping[str, Any]) -> str:
    size = image.get("size", image.get("Size", ""))
    return f"{size / 1e6:.0f} MB" if isinstance(size, int) else str(size)


def origin_of(told: str) -> dict[str, str]:
    """Return what an image says of where it comes from, by the last word of each OCI label: `source`, `revision`, `licenses`, `version`."""
    found = json.loads(told)
    # podman tells of each image that it was asked about, buildah of the one.
    labels = found[0]["Labels"] if isinstance(found, list) else found["OCIv1"]["config"].get("Labels")
    return {name.removeprefix(_OCI): text for name, text in (labels or {}).items() if name.startswith(_OCI)}


def limits() -> dict[str, int]:
    """Return the limits of a build: what the engines ask for themselves, or less where this machine would refuse that."""
    hard = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1] for name in _LIMITS}
    return {name: limit if hard[name] == resource.RLIM_INFINITY else min(limit, hard[name]) for name, limit in _LIMITS.items()}


def engine(wanted: str | None = None, path: str | None = None) -> Engine:
    """Return the engine that is here; CannotBuild where there is none."""
    names = ENGINES if wanted is None else (wanted,)
    for name in names:
        if program := shutil.which(name, path=path):
            return Engine(program)
    raise CannotBuild(f"this machine has no {' and no '.join(names)}, which makes images; as root: apt-get install buildah")


def debootstrap(folder: Path, mirror: str | None, path: str | None = None) -> list[str]:
    """Return the command that makes a Debian from its packages; CannotBuild where it cannot run here."""
    program = shutil.which("debootstrap", path=path or f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise CannotBuild(
            "this machine has no debootstrap, which makes a Debian where no registry has one; as root: apt-get install debootstrap"
        )
    if os.geteuid() != 0:
        raise CannotBuild("debootstrap needs root; run the same command as root, or name a Debian of a registry with --base")
    return [program, "--variant=minbase", SUITE, str(folder), *([mirror] if mirror else [])]


def refused_base(name: str, stands_on: str | None, base: str, present: Collection[str]) -> str | None:
    """Return why an image cannot be built on what is here, as a sentence."""
    if not base.startswith("localhost/") or base in present:
        return None
    below = f"bowerbird images build {stands_on}" if stands_on else f"bowerbird images build {name} --debootstrap"
    return f"'{name}' stands on {base}, which is not here; make it with: {below}"
