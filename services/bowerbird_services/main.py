"""Serve the tables: what the hub starts. The token of the hub's API comes in the environment, all else as arguments."""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from starlette.applications import Starlette

from bowerbird_services import adql, processes, worker_line
from bowerbird_services.alone import alone
from bowerbird_services.app import create, create_images
from bowerbird_services.archive import Archive
from bowerbird_services.cores import cores
from bowerbird_services.engine import QueryFault
from bowerbird_services.hub_feed import HubFeed
from bowerbird_services.identity import Feed, HubNames, Identities, Records, SocketFeed
from bowerbird_services.image_worker import ImageWorker
from bowerbird_services.listening import listening
from bowerbird_services.pages.frame import Frame
from bowerbird_services.pages.refusals import Refusals
from bowerbird_services.pages.service import Pages
from bowerbird_services.pages.sign_in import Application, SignIn
from bowerbird_services.release_files import Directories, hub_directories, mounted_directories
from bowerbird_services.site import Site
from bowerbird_services.slots import Slots
from bowerbird_services.store.catalogues import SeenCatalogue, TableStore
from bowerbird_services.store.cones_first import ConesFirst
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.no_backend import NoBackend
from bowerbird_services.store.obscore import Doors
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.streams import Threads
from bowerbird_services.tables import Catalogue
from bowerbird_services.tables_engine import TablesEngine, Translated
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.vosi import Feature

SERVICE = "vo"
# More than all who are not signed in may have at once, so that they never keep those waiting who are.
_THREADS = 16

_log = logging.getLogger("bowerbird.services")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The tables of a platform for clients of the Virtual Observatory.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; another one only where a proxy alone comes")
    parser.add_argument("--port", type=int, required=True, help="the port on that address")
    parser.add_argument("--images-port", type=int, required=True, help="another one, to which what is asked of images is led")
    parser.add_argument("--tables", type=Path, required=True, help="where the tables lie")
    parser.add_argument("--surveys", type=Path, required=True, help="where the HiPS lie")
    parser.add_argument("--ingest", type=Path, help="the file that says how the making of both goes, where that is to be told")
    parser.add_argument("--state", type=Path, required=True, help="where jobs are kept and queries spill")
    hub = parser.add_mutually_exclusive_group(required=True)
    hub.add_argument("--identities", type=Path, help="the socket of the hub's identity records, where the hub is on this machine")
    hub.add_argument("--hub", help="the hub's inner door, where it is elsewhere, such as http://hub:8083")
    parser.add_argument(
        "--releases",
        type=Path,
        required=True,
        help="the socket where the hub hands over the releases' directories; with --hub, where they lie",
    )
    parser.add_argument("--address", required=True, help="where clients find the service, such as https://data.example.org/services/vo")
    parser.add_argument("--prefix", required=True, help="the path of that address")
    parser.add_argument("--look", type=Path, required=True, help="the stylesheet of the platform's pages")
    worker_line.add_option(parser)
    return parser.parse_args()


def translate(text: str, catalogue: Catalogue, limit: int | None, uploads: Catalogue) -> Translated:
    """Translate a query; a table of an announced release is refused with the sentence of the access decision."""
    try:
        return adql.translate(text, catalogue, limit=limit, uploads=uploads)
    except adql.ADQLError as error:
        announced = catalogue.announced if isinstance(catalogue, SeenCatalogue) else ()
        named = [known.decision.sentence for known in announced if f"{known.schema}." in error.message.lower()]
        if named:  # whoever is told why needs no other table
            raise QueryFault(f"line {error.line}, column {error.column}: {error.message}. {' '.join(named)}") from error
        raise QueryFault(str(error)) from error


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


@dataclass(frozen=True)
class _Parts:
    """What each process of the service has for itself."""

    site: Site
    store: TableStore
    directories: Directories
    close: Callable[[], None]


def _computing(tables: Path, spill: Path) -> ConesFirst:
    # What a killed service had spilt is nobody's any more.
    shutil.rmtree(spill, ignore_errors=True)
    database = DuckDBBackend(Room(tables, _made(spill)), prepare=adql.register)
    return ConesFirst(database, database.files)


def _parts(arguments: argparse.Namespace, client: httpx.AsyncClient, records: Records, slots: Slots) -> _Parts:
    names = HubNames(os.environ["JUPYTERHUB_API_URL"], SERVICE, client)
    records.on_change(names.forget)
    # A worker has its own: it comes and goes while the main process computes.
    state = arguments.state / "images" if arguments.worker else arguments.state
    computing = NoBackend() if arguments.worker else _computing(arguments.tables, state / "spill")
    address = arguments.address.rstrip("/")
    shelf = Shelf(arguments.tables)
    store = TableStore(shelf, Doors.below(address))
    engine = TablesEngine(records, store, computing, translate)
    identities = Identities(records, names, lambda: datetime.now(UTC))
    site = Site(engine, identities, Threads(_THREADS), _made(state / "spool"), address, slots=slots)
    directories = mounted_directories(arguments.releases) if arguments.hub else hub_directories(arguments.releases)
    site.surveys, site.ingest = arguments.surveys, arguments.ingest
    site.archive = Archive(records, shelf, directories, store.observations)
    return _Parts(site, store, directories, computing.close)


def _application(arguments: argparse.Namespace, client: httpx.AsyncClient, parts: _Parts, jobs: JobStore) -> Starlette:
    """Return what the main process serves."""
    features = tuple(Feature(known.type, known.form, known.description) for known in adql.features())
    pages = Pages(parts.site, parts.store, *_looks(arguments, client))
    return create(parts.site, jobs, features, arguments.prefix.rstrip("/"), parts.directories, pages)


def _looks(arguments: argparse.Namespace, client: httpx.AsyncClient) -> tuple[Frame, SignIn]:
    """Return what pages stand in, and who is signed in to them."""
    token, api_url = os.environ["JUPYTERHUB_API_TOKEN"], os.environ["JUPYTERHUB_API_URL"]
    at_the_hub = Application(f"service-{SERVICE}", token, api_url, arguments.address.rstrip("/"))
    return Frame(arguments.look.read_text(), arguments.prefix.rstrip("/")), SignIn(at_the_hub, client)


def _feed(arguments: argparse.Namespace, records: Records) -> Feed:
    if arguments.hub:
        return HubFeed(arguments.hub, os.environ["JUPYTERHUB_API_TOKEN"], records)
    return SocketFeed(arguments.identities, records)


async def _serve(arguments: argparse.Namespace) -> None:
    records = Records()
    async with AsyncExitStack() as stack:
        slots = stack.enter_context(Slots(arguments.worker.slots if arguments.worker else None))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10, trust_env=False))
        parts = _parts(arguments, client, records, slots)
        following = asyncio.create_task(_feed(arguments, records).follow())
        try:
            if arguments.worker:
                await _images(arguments, client, parts, records)
            else:
                await _main(arguments, client, parts, slots)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            parts.close()


async def _images(arguments: argparse.Namespace, client: httpx.AsyncClient, parts: _Parts, records: Records) -> None:
    known = asyncio.Event()
    records.on_change(lambda: known.set() if records.synced else None)
    refusals = Refusals(parts.site, *_looks(arguments, client))
    app = create_images(parts.site, arguments.prefix.rstrip("/"), parts.directories, refusals)
    health = Health(parts.site)
    await processes.serve_as_worker(app, arguments.worker, parts.site.answers, lambda: health.of_products().trouble, known)


async def _main(arguments: argparse.Namespace, client: httpx.AsyncClient, parts: _Parts, slots: Slots) -> None:
    everything, images = (listening(arguments.host, port) for port in (arguments.port, arguments.images_port))
    worker = ImageWorker(images, slots, parts.site.answers) if cores() > 1 else None
    if worker:
        parts.site.worker_trouble = worker.trouble
    jobs = JobStore(arguments.state / "jobs")
    try:
        await processes.serve(_application(arguments, client, parts, jobs), (everything, images), worker)
    finally:
        jobs.close()


def main() -> int:
    """Serve until a signal ends it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # Each question to the hub would be a line, with what was asked.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    arguments = _arguments()
    # A worker is of the one that has the directory.
    with nullcontext() if arguments.worker else alone(arguments.state, _waits(arguments.state)):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        asyncio.run(_serve(arguments))
    return 0


def _waits(state: Path) -> Callable[[], None]:
    def others() -> None:
        _log.warning("another one of these services works in %s still; this one begins when that has ended", state)
        # Process 1 of a pod gets no signal that it has not asked for.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    return others


if __name__ == "__main__":
    sys.exit(main())
