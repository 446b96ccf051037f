"""What the linters of others say of the whole service: the real tables, the real ADQL, really served."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_services import adql
from bowerbird_services.app import create
from bowerbird_services.main import translate
from bowerbird_services.site import Site
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.streams import Threads
from bowerbird_services.tables_engine import TablesEngine
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.vosi import Feature

from tests.services.people import identities
from tests.services.serving import served
from tests.support.shelves import put, stars

pytestmark = pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed: apt-get install stilts")
LINT_SECONDS = 300
# All but LOC, which is about another standard: it fails wherever there is no plan of observations.
STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ OBS UPL EXA"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    for release in ("dr1", "dr2"):
        put(tmp_path / "tables", ("demo", release), "stars", stars(300))
    (tmp_path / "spill").mkdir()
    (tmp_path / "spool").mkdir()
    known = identities()
    computing = DuckDBBackend(Room(tmp_path / "tables", tmp_path / "spill"), prepare=adql.register)
    engine = TablesEngine(known.records, TableStore(Shelf(tmp_path / "tables")), computing, translate)
    site = Site(engine, known, Threads(4), tmp_path / "spool")
    jobs = JobStore(tmp_path / "jobs")
    features = tuple(Feature(feature.type, feature.form, feature.description) for feature in adql.features())
    with served(create(site, jobs, features)) as address:
        yield address
    jobs.close()
    computing.close()


@pytest.mark.timeout(LINT_SECONDS + 60)
def test_taplint_has_nothing_to_say(address: str) -> None:
    command = ["stilts", "taplint", f"tapurl={address}/tap", "maxrepeat=3", f"stages={STAGES}"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LINT_SECONDS).stdout
    totals = re.search(r"Errors: (\d+); Warnings: (\d+); Infos: \d+; Summaries: \d+; Failures: (\d+)", said)
    assert totals is not None, said
    shown = "\n".join(line for line in said.splitlines() if line[:2] in {"E-", "F-", "W-"})
    print(shown)
    assert (int(totals[1]), int(totals[3])) == (0, 0), shown
    assert int(totals[2]) <= 5, shown
