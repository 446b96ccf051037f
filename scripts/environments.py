"""The Python environments: which requirements and which members each holds, and how it is made without a half-made one ever in use."""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.folders import replace_folder
from scripts.running import Trouble
from scripts.uv import Uv

LAYOUT = 1
COMPILED = (".c", ".h")
BUILDING = ("hatch_build.py", "sources.py")
PIN = re.compile(r"^[a-z0-9][a-z0-9._-]*==", re.M)


@dataclass(frozen=True)
class Environment:
    """One environment below .bowerbird/envs: requirements/<name>.txt, or those of several names, and of our members those named."""

    name: str
    members: tuple[str, ...]
    editable: bool = True
    groups: tuple[str, ...] = ()

    def folder(self, root: Path) -> Path:
        """Return where the environment lives."""
        return root / ".bowerbird/envs" / self.name

    def requirements(self, root: Path) -> tuple[Path, ...]:
        """Return the files with its pinned and hashed packages, which are of one resolution."""
        return tuple(root / "requirements" / f"{name}.txt" for name in self.groups or (self.name,))

    def count(self, root: Path) -> int:
        """Return how many packages the files pin."""
        return len({pin for file in self.requirements(root) for pin in PIN.findall(file.read_text())})

    def packages_fingerprint(self, root: Path) -> str:
        """Return what the packages in the environment depend on, hashed."""
        parts = (f"{LAYOUT} {sys.executable} {sys.version}", *(file.read_text() for file in self.requirements(root)))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def members_fingerprint(self, root: Path) -> str:
        """Return what our own code in the environment depends on, hashed: when editable, only how it is declared and what is compiled."""
        digest = hashlib.sha256(self.packages_fingerprint(root).encode())
        for member in self.members:
            for path in self._sources(root / member):
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def _sources(self, member: Path) -> Iterator[Path]:
        yield member / "pyproject.toml"
        yield from (path for path in _files(member) if path.suffix in COMPILED or path.name in BUILDING)
        if not self.editable:
            shared = _pyproject(member)["tool"]["hatch"]["build"]["targets"]["wheel"].get("shared-data", {})
            for place in (member, *(member / name for name in shared)):
                yield from _files(place.resolve())

    def install_packages(self, root: Path, uv: Uv) -> None:
        """Make the environment anew beside the old one and put it in its place when it is whole."""
        new = self.folder(root).with_name(f".{self.name}.new")
        uv.make(new)
        uv.install(new, "--require-hashes", *(word for file in self.requirements(root) for word in ("-r", str(file))))
        replace_folder(self.folder(root), new)

    def install_members(self, root: Path, uv: Uv) -> None:
        """Install our own code, without looking at what it depends on: the requirements file has it all. Ask no network if that will do."""
        if self.members:
            arguments = [argument for member in self.members for argument in self._member(root / member)]
            try:
                uv.install(self.folder(root), "--offline", "--no-deps", *arguments)
            except Trouble:  # the tools that build it are not in uv's cache yet, or no longer
                uv.install(self.folder(root), "--no-deps", *arguments)

    def _member(self, member: Path) -> tuple[str, ...]:
        """Name one member alone as what has to be looked at again, so that the build tools come from uv's cache."""
        name = _pyproject(member)["project"]["name"]
        place = ("--editable", str(member)) if self.editable else (str(member),)
        return ("--reinstall-package", name, *place)


def _pyproject(member: Path) -> dict[str, Any]:
    return tomllib.loads((member / "pyproject.toml").read_text())


def _files(place: Path) -> list[Path]:
    """Return the files in a folder, or the one file that it is, in a steady order."""
    found = [place, *place.rglob("*")]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("hub", ("config", "hub")),
        Environment("fuse", ("config", "fuse")),
        Environment("lab", ("extensions",), editable=False),
        Environment("aat", ("extensions",), editable=False, groups=("lab", "aat")),
        Environment("cas", ()),
        Environment("services", ("config", "extensions", "services")),
        Environment("test", ("config", "hub", "fuse", "extensions", "services")),
    )
}
