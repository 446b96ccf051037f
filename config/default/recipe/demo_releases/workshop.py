"""Making a release so that it is there whole or not at all, whatever stops the making.

Everything happens in `.building/COLLECTION/RELEASE` beside the releases, on the same file system:
- a product is written to `NAME.part`, synced, and only then named NAME, so that a NAME on the bench is whole;
- PROVENANCE.json is the first file: a bench whose provenance is another one's is swept before work goes on;
- CHECKSUMS is the last file; then the folder is renamed to its place, which is one step.
One process at a time works in a folder of releases: it holds a lock on the folder itself, which ends with the process.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from demo_releases.errors import CannotBuild
from demo_releases.originals import Stock
from demo_releases.release import Release, attribution
from demo_releases.whole_files import finish, sync, write

BENCHES = ".building"
CHECKSUMS = "CHECKSUMS"
PROVENANCE = "PROVENANCE.json"
ATTRIBUTION = "ATTRIBUTION.md"
# Room that stays free on the disk beside the release itself.
MARGIN_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Workshop:
    """A folder of releases, `COLLECTION/RELEASE` each, and the place where new ones are made."""

    root: Path

    def place(self, release: Release) -> Path:
        """Return where a release lies when it is complete."""
        return self.root / release.collection / release.name

    def bench(self, release: Release) -> Path:
        """Return where a release is made."""
        return self.root / BENCHES / release.collection / release.name

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the folder for one build; the benches are gone afterwards where the build came to its end."""
        if not self.root.exists():
            self.root.mkdir(parents=True, mode=0o700)
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor, self.root)
            yield
            _sweep(self.root / BENCHES)
        finally:
            os.close(descriptor)

    def complete(self, release: Release) -> bool:
        """Tell whether this edition of a release is in its place with every file that it lists; their bytes are not read.

        A release that is there is not made again because a program that made it is a newer one now.
        """
        place = self.place(release)
        try:
            edition = json.loads((place / PROVENANCE).read_text())["edition"]
            listed = (place / CHECKSUMS).read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return False
        return edition == release.edition and all((place / line[66:]).is_file() for line in listed)

    def build(self, release: Release, stock: Stock) -> None:
        """Make a release and put it in its place; what an earlier try finished is used again."""
        bench = self.bench(release)
        _prepare(bench, provenance(release))
        self._check_room(release)
        for product in release.products:
            if not (bench / product.name).exists():
                part = bench / f"{product.name}.part"
                product.make(stock, part)
                finish(part, bench / product.name)
        write(bench / ATTRIBUTION, attribution(release))
        write(bench / CHECKSUMS, checksums(bench))
        self._publish(release)

    def settle(self, release: Release) -> None:
        """Make a complete release readable to all and writable to none."""
        place = self.place(release)
        for file in place.iterdir():
            file.chmod(0o444)
        place.chmod(0o555)
        place.parent.chmod(0o755)

    def _publish(self, release: Release) -> None:
        bench, place = self.bench(release), self.place(release)
        damaged = bench.with_name(f"{release.name}.damaged")
        _sweep(damaged)
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            # A folder can be moved to another parent only by one who may write in it.
            place.chmod(0o755)
            place.rename(damaged)
        bench.rename(place)
        sync(place.parent)
        self.settle(release)
        _sweep(damaged)

    def _check_room(self, release: Release) -> None:
        bench = self.bench(release)
        done = sum(file.stat().st_size for file in bench.iterdir())
        needed = max(0, release.size - done) + MARGIN_BYTES
        free = shutil.disk_usage(bench).free
        if free < needed:
            raise CannotBuild(no_room(self.root, f"{release} needs {needed / 1e6:.0f} MB and {free / 1e6:.0f} MB are free"))


def no_room(folder: Path, why: str) -> str:
    """Return the sentence about a full disk."""
    return f"{folder} has no room: {why}; free some, or choose another place with --var, and start again: what is finished is kept"


def provenance(release: Release) -> str:
    """Return PROVENANCE.json: the originals and the programs that a release is made of."""
    made_of = [
        {"file": original.path, "package": original.package, "version": original.version, "sha256": original.sha256}
        for original in release.originals
    ]
    made_with = {package: version(package) for package in ("astropy", "numpy", "photutils")}
    everything = {"release": str(release), "edition": release.edition, "originals": made_of, "made_with": made_with}
    return json.dumps(everything, indent=1, sort_keys=True) + "\n"


def checksums(folder: Path) -> str:
    """Return the SHA-256 of each file of a folder, as `sha256sum --check` reads it."""
    names = sorted(file.name for file in folder.iterdir() if file.name != CHECKSUMS)
    return "".join(f"{digest(folder / name)}  {name}\n" for name in names)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotBuild(f"another build is at work in {root}; wait until it ends") from error


def _prepare(bench: Path, made_of: str) -> None:
    """Leave on the bench what an earlier try of the same recipe finished, and nothing else."""
    stamp = bench / PROVENANCE
    if not stamp.exists() or stamp.read_text() != made_of:
        _sweep(bench)
        bench.mkdir(parents=True)
        write(stamp, made_of)
    for part in bench.glob("*.part"):
        part.unlink()


def _sweep(folder: Path) -> None:
    """Remove a folder of ours with what is in it, also one that was made read-only."""
    if not folder.is_dir():
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
