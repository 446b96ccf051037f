"""Records of running parts: what a new supervisor reads to take over what an old one started."""

from dataclasses import asdict, dataclass
from pathlib import Path

from bowerbird_hub.state.state_files import read_json, write_json
from bowerbird_hub.supervision.processes import Process, find

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Record:
    """A part that was started; `fingerprint` tells whether it still is what the platform file asks for."""

    name: str
    pid: int
    start_ticks: int
    fingerprint: str
    boot: str
    restarts: int = 0

    @property
    def process(self) -> Process | None:
        """The process, where it still lives."""
        found = find(self.pid)
        same = found is not None and found.start_ticks == self.start_ticks and self.boot == boot_id()
        return found if same else None


def boot_id() -> str:
    """Return what tells this boot from every other."""
    return _BOOT.read_text().strip()


def write(directory: Path, record: Record) -> None:
    """Keep a part's record."""
    write_json(directory / f"{record.name}.json", asdict(record))


def read(directory: Path, name: str) -> Record | None:
    """Return a part's record, where there is one that can be read."""
    try:
        return Record(**read_json(directory / f"{name}.json"))
    except TypeError:
        return None


def forget(directory: Path, name: str) -> None:
    """Drop a part's record."""
    (directory / f"{name}.json").unlink(missing_ok=True)
