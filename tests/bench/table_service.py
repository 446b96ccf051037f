"""The platform's table service in a process of its own over a million stars, as `bowerbird bench vo` asks it."""

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_services import adql
from bowerbird_services.app import create
from bowerbird_services.identity import Identities, Records
from bowerbird_services.ingest.sorting import ROW_GROUP_ROWS
from bowerbird_services.main import translate
from bowerbird_services.site import Site
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.cones_first import ConesFirst
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.streams import Threads
from bowerbird_services.tables_engine import TablesEngine
from bowerbird_services.vo.jobs import JobStore

from tests.services.people import Tokens
from tests.services.serving import served
from tests.support.platforms import described
from tests.support.processes import children
from tests.support.shelves import put

ROWS = 1_000_000
TABLE = "sky_dr1.stars"
TOKEN = "token-of-ann"
_ROOT = Path(__file__).parents[2]
_SAMPLE_SECONDS = 0.02


def stars(rows: int = ROWS) -> pa.Table:
    """Return stars of a field of 20 by 20 degrees, with 64-bit identifiers."""
    dice = np.random.default_rng(3)
    dec = np.degrees(np.arcsin(dice.uniform(-0.17, 0.17, rows)))
    magnitude = dice.normal(18, 2, rows).astype(np.float32)
    return pa.table({"id": np.arange(rows) + (1 << 60), "ra": dice.uniform(150, 170, rows), "dec": dec, "mag": magnitude})


@dataclass
class Service:
    """The running service; `most_mib` is the most anonymous memory that its processes had so far, together."""

    address: str
    pid: int
    most_mib: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def tap(self) -> str:
        """Its TAP service."""
        return f"{self.address}/tap"

    @property
    def cone(self) -> str:
        """The cone search of the stars."""
        return f"{self.address}/scs/{TABLE.replace('.', '/')}"

    def memory_mib(self) -> float:
        """Return the anonymous memory that it has now, in all of its processes."""
        return sum(_anonymous_mib(pid) for pid in (self.pid, *children(self.pid)))

    def watch(self) -> None:
        """Remember the most memory until it is over."""
        while not self.over.wait(_SAMPLE_SECONDS):
            self.most_mib = max(self.most_mib, self.memory_mib())


def _anonymous_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    # What has ended and is not yet waited for has none.
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


@contextmanager
def folder() -> Iterator[Path]:
    """Have a directory on the disk of the checkout."""
    with tempfile.TemporaryDirectory(dir=_ROOT / ".bowerbird", prefix="bench-") as made:
        yield Path(made)


@contextmanager
def service() -> Iterator[Service]:
    """Serve the stars while the block runs, and watch the memory of the process."""
    with folder() as place:
        put(place / "tables", ("sky", "dr1"), "stars", stars(), row_group_size=ROW_GROUP_ROWS)
        with serving(place) as running:
            yield running


@contextmanager
def serving(place: Path) -> Iterator[Service]:
    """Serve what lies in `tables` of a directory while the block runs, and watch the memory of the process."""
    with watched([sys.executable, "-m", __spec__.name, str(place)]) as running:
        yield running


@contextmanager
def watched(argv: Sequence[str]) -> Iterator[Service]:
    """Run a service whose first line is its address, and watch its memory, while the block runs."""
    with subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        running = Service(child.stdout.readline().strip(), child.pid)
        watching = threading.Thread(target=running.watch)
        watching.start()
        try:
            yield running
        finally:
            running.over.set()
            watching.join()
            child.send_signal(signal.SIGTERM)


def _identities() -> Identities:
    releases = {"dr1": {"title": "Stars", "teams": ["craft"]}}
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org", "members": ["ann"]}}
    parts = {"collections": {"sky": {"title": "Sky", "releases": releases}}, "teams": teams, "limits": {"queries": {"at_once": 16}}}
    known = Platform.model_validate(described(**parts))
    records = Records(known)
    record = IdentityRecord(1, "ann", 600_000, 600_000, known.identity("ann").memberships)
    records.take({"kind": "identity", "record": record.to_json()})
    return Identities(records, Tokens(), lambda: datetime.now(UTC))


def main() -> None:
    """Serve until SIGTERM; the address is the one line that is printed."""
    place = Path(sys.argv[1])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    known = _identities()
    for name in ("spill", "spool"):
        (place / name).mkdir()
    database = DuckDBBackend(Room(place / "tables", place / "spill"), prepare=adql.register)
    computing = ConesFirst(database, database.files)
    engine = TablesEngine(known.records, TableStore(Shelf(place / "tables")), computing, translate)
    jobs = JobStore(place / "jobs")
    with served(create(Site(engine, known, Threads(8), place / "spool"), jobs)) as address:
        print(address, flush=True)
        ended.wait()
    jobs.close()
    computing.close()


if __name__ == "__main__":
    main()
