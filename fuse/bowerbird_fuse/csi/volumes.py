"""What is published on this node, written down so that the next plugin goes on with it: `run/csi/volumes/`, a file each."""

import hashlib
import json
import logging
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bowerbird_config.paths import Var
from bowerbird_config.pods import Pod

from bowerbird_fuse.csi.claims import Claim
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.records import write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Volume:
    """One published volume; `remounts` is how often its view was mounted anew, by which files that were open were lost."""

    volume: str
    target: Target
    pod: Pod
    read_only: bool
    user: str
    remounts: int = 0

    @classmethod
    def of(cls, claim: Claim, user: str) -> "Volume":
        """Return the volume that a claim of that user makes."""
        return cls(claim.volume, claim.target, claim.pod, claim.read_only, user)

    def answers(self, claim: Claim) -> bool:
        """Tell whether it is what that claim asks for."""
        return (self.target, self.pod) == (claim.target, claim.pod)

    def remounted(self) -> "Volume":
        """Return the same, mounted anew once more."""
        return replace(self, remounts=self.remounts + 1)

    def to_json(self) -> dict[str, Any]:
        """Return what is written down."""
        return asdict(self) | {"target": str(self.target)}

    @classmethod
    def from_json(cls, raw: dict[str, Any], pods: Path) -> "Volume":
        """Read what `to_json` wrote; ValueError, KeyError, TypeError or Malformed where it did not."""
        target = Target.parse(pods, raw["target"])
        return cls(**{**raw, "target": target, "pod": Pod(**raw["pod"])})


class Book:
    """All published volumes of this node."""

    def __init__(self, directory: Path, pods: Path) -> None:
        """Read what is written down; a record that cannot be read is taken away."""
        self._directory = directory
        self._lock = threading.Lock()
        self._volumes: dict[str, Volume] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(directory.glob("*.json")):
            try:
                volume = Volume.from_json(json.loads(path.read_bytes()), pods)
            except Exception:  # of whatever kind: what it told of is found again by kubelet, which asks anew
                log.exception("%s cannot be read, and is taken away", path)
                path.unlink()
                continue
            self._volumes[volume.volume] = volume

    def get(self, volume: str) -> Volume | None:
        """Return the volume of that name."""
        with self._lock:
            return self._volumes.get(volume)

    def all(self) -> list[Volume]:
        """Return every volume."""
        with self._lock:
            return list(self._volumes.values())

    def of(self, user: str) -> list[Volume]:
        """Return the volumes of that user."""
        return [volume for volume in self.all() if volume.user == user]

    def write(self, volume: Volume) -> None:
        """Write a volume down, in the place of what was written of it."""
        with self._lock:
            write_whole(self._path(volume.volume), volume.to_json())
            self._volumes[volume.volume] = volume

    def remove(self, volume: str) -> None:
        """Write down no more of it."""
        with self._lock:
            self._path(volume).unlink(missing_ok=True)
            self._volumes.pop(volume, None)

    def _path(self, volume: str) -> Path:
        return self._directory / f"{file_name(volume)}.json"


def volumes_directory(var: Var) -> Path:
    """Return where the records of a node are."""
    return var.run / "csi" / "volumes"


def file_name(volume: str) -> str:
    """Return the name of a volume's files: its own is kubelet's to choose, and may have characters that a file's cannot."""
    return hashlib.sha256(volume.encode()).hexdigest()
