"""What a keeper leaves to the next one of each mount: `run/keeper/USER.json`, and the descriptors with the holder."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.identity import IdentityRecord

from bowerbird_fuse.held import Held

# Users' names are the directory's to choose; a file's name may not hold all of their characters.
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class MountRecord:
    """One mount: whose, the kernel's first request, and the worker that holds its device and journal by these numbers.

    `others` are what it holds beside the journal (remains.py).
    """

    user: str
    identity: dict[str, Any]
    init: str
    connection: int
    pid: int
    ticks: int
    device: int
    journal: int
    others: tuple[int, ...] = ()

    @property
    def remains(self) -> tuple[int, ...]:
        """The numbers of all that outlives the worker beside its device."""
        return self.journal, *self.others

    @property
    def kept_as(self) -> str:
        """The name that the holder knows its descriptors by."""
        return kept_as(self.user, self.connection)

    @property
    def record(self) -> IdentityRecord:
        """The identity that it was made for."""
        return IdentityRecord.from_json(self.identity)


def kept_as(user: str, connection: int) -> str:
    """Return the name that the holder knows a mount's descriptors by; a later mount of the same user has another one."""
    return f"{connection} {user}"


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON to a file of root's; it is there as a whole or not at all."""
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(value, file)
    fresh.rename(path)


class Records:
    """The records of one keeper's directory, and what the holder keeps for it."""

    def __init__(self, directory: Path, held: Held) -> None:
        self.directory = directory
        self.held = held

    def write(self, record: MountRecord) -> None:
        """Write a record; it is there as a whole or not at all."""
        write_whole(self._path(record.user), asdict(record))

    def remove(self, user: str) -> None:
        """Take a record away."""
        self._path(user).unlink(missing_ok=True)

    def all(self) -> Iterator[MountRecord]:
        """Yield every record that can be read; one that cannot is taken away."""
        for path in sorted(self.directory.glob(f"*{_SUFFIX}")):
            try:
                told = json.loads(path.read_bytes())
                yield MountRecord(**{**told, "others": tuple(told.get("others", ()))})
            except (ValueError, TypeError, AttributeError):
                path.unlink()

    def count(self) -> int:
        """Return how many there are, be they such as can be read or not."""
        return sum(1 for _ in self.directory.glob(f"*{_SUFFIX}"))

    def _path(self, user: str) -> Path:
        return self.directory / (user.encode().hex() + _SUFFIX)
