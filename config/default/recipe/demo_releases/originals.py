"""The files that others made: which package holds each, and the digest that proves it whole."""

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo_releases.errors import BadInput

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Original:
    """A file inside an unpacked package; `package` is also the name of its folder among the downloads."""

    package: str
    version: str
    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


def installed(package: str) -> Path:
    """Return the folder that holds an installed package, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise BadInput(f"the package {package} is not installed for this Python; start `./bowerbird up` again, which installs it")
    return Path(found.origin).parent.parent


@dataclass(frozen=True, slots=True)
class Stock:
    """Where originals lie: the unpacked downloads, and astropy as it is installed."""

    downloads: Path

    def folder(self, original: Original) -> Path:
        """Return the folder that an original's path starts from."""
        return installed("astropy") if original.package == "astropy" else self.downloads / original.package

    def path(self, original: Original) -> Path:
        """Return where an original lies, known to be whole."""
        for _ in self.read(original):
            pass
        return self.folder(original) / original.path

    def read(self, original: Original) -> Iterator[bytes]:
        """Yield the bytes of an original; BadInput at their end where they are not the ones that its package holds."""
        path = self.folder(original) / original.path
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    yield chunk
        except FileNotFoundError as error:
            raise BadInput(f"{path} is missing; {_remedy(self.folder(original))}") from error
        if digest.hexdigest() != original.sha256:
            package = f"{original.package} {original.version}"
            raise BadInput(f"{path} is damaged: its bytes are not those of {package}; {_remedy(self.folder(original))}")


def _remedy(folder: Path) -> str:
    return f"remove {folder} and start `./bowerbird up` again, which gets it anew"
