"""The whole service over real tables with the real ADQL, really served."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bowerbird_services import adql
from bowerbird_services.app import create
from bowerbird_services.identity import Identities
from bowerbird_services.main import translate
from bowerbird_services.site import Site
from bowerbird_services.store.catalogues import TableStore
from bowerbird_services.store.cones_first import ConesFirst
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.streams import Threads
from bowerbird_services.tables import Table
from bowerbird_services.tables_engine import TablesEngine
from bowerbird_services.vo.jobs import JobStore

from tests.services.gallery import features, fill_with_axes, gallery
from tests.services.serving import served
from tests.services.signing import SignedIn
from tests.support.shelves import put, stars


@dataclass(frozen=True)
class Real:
    """`tables` are demo_dr1.stars, everybody's, and demo_dr2.stars, the team's."""

    address: str
    site: Site
    tables: tuple[Table, ...]


@contextmanager
def real_service(place: Path, known: Identities, rows: int = 300, token: str | None = None) -> Iterator[Real]:
    """Serve two tables of so many stars from a directory, to everybody or to whom that token is."""
    tables = lay(place / "tables", rows)
    with service(place, known, token) as (address, site):
        yield Real(address, site, tables)


def lay(tables: Path, rows: int = 300) -> tuple[Table, ...]:
    """Lay two tables of so many stars on a shelf."""
    return tuple(put(tables, ("demo", release), "stars", stars(rows)) for release in ("dr1", "dr2"))


@contextmanager
def real_archive(place: Path, token: str | None = None) -> Iterator[str]:
    """Serve the same tables beside the images, cubes and spectra of a gallery; yields the address."""
    with gallery(place, token=token, before=fill_with_axes, beside=lay) as shown:
        yield shown.address


@contextmanager
def service(place: Path, known: Identities, token: str | None = None) -> Iterator[tuple[str, Site]]:
    """Serve what lies in `tables` of a directory; yields the address and the site."""
    (place / "spill").mkdir()
    (place / "spool").mkdir()
    computing = ConesFirst(DuckDBBackend(Room(place / "tables", place / "spill"), prepare=adql.register))
    engine = TablesEngine(known.records, TableStore(Shelf(place / "tables")), computing, translate)
    site = Site(engine, known, Threads(4), place / "spool")
    jobs = JobStore(place / "jobs")
    app = create(site, jobs, features())
    with served(SignedIn(app, token) if token else app) as address:
        yield address, site
    jobs.close()
    computing.close()
