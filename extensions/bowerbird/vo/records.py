"""Jobs that are under way, a small file each, so that they are found again after the kernel was restarted."""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Record:
    """A job of a service; `service` is the address that its token is for."""

    url: str
    service: str
    query: str


@dataclass(frozen=True, slots=True)
class Records:
    """A folder of records; without one, nothing is kept."""

    folder: Path | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the user's own, by the XDG rule."""
        state = environment.get("XDG_STATE_HOME") or (str(Path(environment["HOME"]) / ".local/state") if "HOME" in environment else "")
        return cls(Path(state) / "bowerbird" / "jobs" if state else None)

    def put(self, record: Record) -> None:
        """Keep a record; a full or read-only disk stops no query."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            place = self._place(record.url)
            new = place.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(asdict(record)))
            new.replace(place)

    def drop(self, url: str) -> None:
        """Forget a job."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self._place(url).unlink(missing_ok=True)

    def all(self) -> list[Record]:
        """Return what is kept, oldest first; a damaged file is passed over."""
        if self.folder is None or not self.folder.is_dir():
            return []
        found = []
        for place in self.folder.glob("*.json"):
            # Another process may have removed it.
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append((place.stat().st_mtime_ns, Record(**json.loads(place.read_text()))))
        return [record for _, record in sorted(found, key=lambda one: one[0])]

    def _place(self, url: str) -> Path:
        assert self.folder is not None  # noqa: S101  # asked by who knows
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
