"""An image made from the checkout: what it is built on, what it is told of itself, and what the admin supplies for it."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bowerbird_config.images import machine
from bowerbird_config.images.contract import Contract
from bowerbird_config.images.engine import DEBIAN, CannotBuild, Engine, Tag, debootstrap, names_of, origin_of, refused_base
from bowerbird_config.problems import choose_from

# The Debian of a registry: a short name, which the engine's own settings complete.
FROM_REGISTRY = "debian:bookworm-slim"
SUPPLIED = "/run/supplied"


@dataclass(frozen=True, slots=True)
class Workplace:
    """The checkout that images are built from, and the engine that builds them."""

    root: Path
    engine: Engine
    version: str

    def tag(self, name: str) -> Tag:
        """Return the name of an image."""
        return Tag(name, self.version)

    def present(self) -> Mapping[str, str]:
        """Return the names of the images that are here, with their sizes."""
        return names_of(output(self.engine.listing()))

    def origins(self, names: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        """Return what those of our images that are here say of where they come from."""
        present = self.present()
        here = (name for name in names if str(self.tag(name)) in present)
        return {name: origin_of(output(self.engine.telling(self.tag(name)))) for name in here}

    def build(self, name: str, contract: Contract, base: str | None = None, supplied: Mapping[Path, str] | None = None) -> None:
        """Build one image; CannotBuild where it does not succeed."""
        present = self.present()
        base = str(self.tag(contract.stands_on)) if contract.stands_on else base or (DEBIAN if DEBIAN in present else FROM_REGISTRY)
        if reason := refused_base(name, contract.stands_on, base, present):
            raise CannotBuild(reason)
        with private_folder() as folder:
            mounts = {**machine.settle(folder), **(supplied or {})}
            arguments = {**self.labels(), **sums(supplied or {})}
            run(self.engine.build(self.root, self.tag(name), base, arguments=arguments, mounts=mounts), f"'{name}' was not built")

    def labels(self) -> dict[str, str]:
        """Return what an image says of where it comes from."""
        changed = git(self.root, "status", "--porcelain")
        revision = git(self.root, "rev-parse", "HEAD")
        source = without_credentials(git(self.root, "remote", "get-url", "origin"))
        return {"VERSION": self.version, "REVISION": f"{revision}-changed" if revision and changed else revision, "SOURCE": source}

    def make_debian(self, mirror: str | None) -> None:
        """Make the Debian that images stand on, from its packages."""
        with private_folder() as folder:
            root = folder / "root"
            # It is the image's root: what is everybody's there must be everybody's.
            root.mkdir(mode=0o755)
            run(debootstrap(root, mirror), "debootstrap made no Debian")
            file = folder / "Containerfile"
            file.write_text('FROM scratch\nCOPY root /\nCMD ["bash"]\n')
            run(
                [self.engine.program, "build", "--isolation=chroot", f"--file={file}", f"--tag={DEBIAN}", str(folder)],
                "no image of Debian was made",
            )


def supply(name: str, contract: Contract, word: str, checksum: str) -> dict[Path, str]:
    """Return the mount of what the admin supplies, `NAME=FILE`, whose checksum is as they say."""
    what, _, file = word.partition("=")
    if what not in contract.supplied:
        raise CannotBuild(f"'{name}' takes nothing that is called {what!r}; {choose_from(what, contract.supplied, 'it takes')}")
    path = Path(file).absolute()
    try:
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise CannotBuild(f"{path} cannot be read: {error.strerror}") from error
    if found != checksum.lower():
        raise CannotBuild(f"{path} has the checksum {found}, not {checksum}; it is not the file that you mean, or it came damaged")
    return {path: f"{SUPPLIED}/{what}"}


def sums(supplied: Mapping[Path, str]) -> dict[str, str]:
    """Return the checksums of what is supplied, as the build arguments by which a build knows that it is there."""
    return {f"SHA256_{Path(target).name.upper()}": hashlib.sha256(source.read_bytes()).hexdigest() for source, target in supplied.items()}


def git(root: Path, *arguments: str) -> str:
    """Return what git says of a checkout; nothing where it is none."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def without_credentials(url: str) -> str:
    """Return the public part of an address; nothing of one that is a path of this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ssh", "git"):
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def run(command: Sequence[str], otherwise: str) -> None:
    """Run a command that speaks for itself; CannotBuild with a sentence where it fails."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise CannotBuild(f"{otherwise}; what {Path(command[0]).name} said stands above")


def output(command: Sequence[str]) -> str:
    """Return what a command prints; CannotBuild with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuild(f"{Path(command[0]).name} cannot work here: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
    return done.stdout


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a folder that nobody else can read, and remove it."""
    with tempfile.TemporaryDirectory(prefix="bowerbird-images-") as name:
        os.chmod(name, 0o700)
        yield Path(name)
