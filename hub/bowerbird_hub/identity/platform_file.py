"""The platform file and all that it includes, watched for edits."""

from pathlib import Path

from bowerbird_config.load import load, sources
from bowerbird_config.platform import Platform

_Stamp = tuple[int, int, int] | None


class PlatformFile:
    """The file at a path, as it was when it was loaded last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[Path, _Stamp] = {}

    def load(self) -> Platform:
        """Read the file; what will be watched is looked at before it is read, so that no edit falls in between."""
        self._seen[self.path] = _stamp(self.path)
        self._seen |= {path: _stamp(path) for path in self._seen}
        self._seen |= {path: _stamp(path) for path in sources(self.path)}
        return load(self.path)

    def edited(self) -> bool:
        """Tell whether it, or what it includes, is another than at the last load, be it broken or not."""
        return any(_stamp(path) != stamp for path, stamp in self._seen.items())


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
