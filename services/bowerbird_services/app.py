"""The application: routes to the protocols, and what becomes of an error at the edge."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from bowerbird_services import metrics
from bowerbird_services.addresses import PlainAddresses
from bowerbird_services.archive import Archive
from bowerbird_services.engine import QueryFault, Unreadable
from bowerbird_services.headers import AnswerHeaders
from bowerbird_services.metrics import Measured
from bowerbird_services.pages.refusals import Refusals
from bowerbird_services.pages.service import Pages
from bowerbird_services.products import ProductService
from bowerbird_services.release_files import Directories
from bowerbird_services.site import NOWHERE, Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo import vosi
from bowerbird_services.vo.asynchronous import AsyncService
from bowerbird_services.vo.dali import BROKEN, Fault, error_response
from bowerbird_services.vo.datalink import DataLinkService
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.hips_service import HiPSService
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.runner import Runner
from bowerbird_services.vo.scs import SCSService
from bowerbird_services.vo.sia2 import SIA2Service
from bowerbird_services.vo.soda_service import SODAService
from bowerbird_services.vo.tap_service import TAPService
from bowerbird_services.vo.upload_sources import UploadSources

# More than the platform file may ask for; a thread is made when it is needed.
_JOB_THREADS = 64
_PRODUCTS = "/products"

_Closing = list[Callable[[], Awaitable[None]]]
_Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

_log = logging.getLogger("bowerbird.services")


def create(
    site: Site,
    jobs: JobStore,
    features: tuple[vosi.Feature, ...] = (),
    prefix: str = "",
    directories: Directories | None = None,
    pages: Pages | None = None,
) -> Starlette:
    """Return the application that serves a site below `prefix`, and runs its jobs while it does; files where it has their directories."""
    runner = Runner(site, jobs, Threads(_JOB_THREADS))
    sources = UploadSources(site, jobs)
    health = Health(site, jobs)
    closing: _Closing = [runner.close]
    tap = [*TAPService(site, features, sources, health).routes(), *AsyncService(site, jobs, runner, sources).routes()]
    routes: list[BaseRoute] = [Mount(f"{prefix}/tap", routes=tap), Mount(f"{prefix}/scs", routes=SCSService(site).routes())]
    routes += pages.routes() if pages else ()
    routes.append(metrics.route(site, jobs, health))
    routes += _of_images(site, health, prefix, directories, closing)
    return _application(site, routes, prefix, _lifespan(closing, runner), pages.refusals if pages else None)


def create_images(site: Site, prefix: str, directories: Directories, refusals: Refusals | None = None) -> Starlette:
    """Return the application that serves the parts of a site that answer for images, and no others."""
    closing: _Closing = []
    routes = _of_images(site, Health(site), prefix, directories, closing)
    return _application(site, routes, prefix, _lifespan(closing), refusals)


def _application(site: Site, routes: Sequence[BaseRoute], prefix: str, lifespan: _Lifespan, refusals: Refusals | None) -> Starlette:
    handlers = {kind: _told(fault_of, refusals) for kind, fault_of in _FAULTS.items()}
    plain = Middleware(PlainAddresses, prefix, f"{_PRODUCTS}/")
    middleware = [Middleware(Measured, site.answers, prefix), Middleware(AnswerHeaders), plain]
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers, lifespan=lifespan)
    # An address is what it is: a client that is sent elsewhere may lose what it sent.
    app.router.redirect_slashes = False
    return app


def _of_images(site: Site, health: Health, prefix: str, directories: Directories | None, closing: _Closing) -> list[Mount]:
    """Return IMAGE_PARTS as far as the site has them, and add what closes them."""
    routes = _archived(site, site.archive, health, prefix, closing) if site.archive else []
    if directories:
        products = ProductService(site, directories)
        routes.append(Mount(f"{prefix}{_PRODUCTS}", routes=products.routes()))
        closing.append(products.close)
    if site.surveys:
        hips = HiPSService(site, site.surveys)
        routes += [Mount(f"{prefix}/hips", routes=hips.hips_routes()), Mount(f"{prefix}/moc", routes=hips.moc_routes())]
        closing.append(hips.close)
    closing.append(site.threads.close)
    return routes


def _archived(site: Site, archive: Archive, health: Health, prefix: str, closing: _Closing) -> list[Mount]:
    """Return where products are found, and add what closes it."""
    sia2, datalink, soda = SIA2Service(site, archive, health), DataLinkService(site, archive, health), SODAService(site, archive, health)
    closing += [datalink.close, soda.close]
    return [Mount(f"{prefix}/{name}", routes=one.routes()) for name, one in (("sia2", sia2), ("datalink", datalink), ("soda", soda))]


def _lifespan(closing: _Closing, runner: Runner | None = None) -> _Lifespan:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if runner:
            await runner.start()
        try:
            yield
        finally:
            for close in closing:
                await close()

    return lifespan


_Fault = Callable[[Exception], Fault]


def _told(fault_of: _Fault, refusals: Refusals | None) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers where an error ends a request."""

    async def tell(request: Request, error: Exception) -> Response:
        fault = fault_of(error)
        return await refusals.told(request, fault) if refusals else error_response(fault)

    return tell


def _fault(error: Exception) -> Fault:
    assert isinstance(error, Fault)  # noqa: S101 - Starlette calls it for these alone
    return error


def _query_fault(error: Exception) -> Fault:
    return Fault(str(error), HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, Unreadable) else HTTPStatus.BAD_REQUEST)


def _nobody(_error: Exception) -> Fault:
    # It is sent to nobody.
    return Fault("the client went away")


def _http(error: Exception) -> Fault:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    words = NOWHERE if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    return Fault(words, error.status_code, error.headers)


def _disk(error: Exception) -> Fault:
    _log.error("a file could not be read or written: %s", error)
    return Fault("the service could not read or write a file that it needs; try again later", HTTPStatus.SERVICE_UNAVAILABLE)


def _unexpected(_error: Exception) -> Fault:
    # Starlette raises it again after this, and the server writes the traceback to its log.
    return Fault(BROKEN, HTTPStatus.INTERNAL_SERVER_ERROR)


_FAULTS: Final[Mapping[type[Exception], _Fault]] = {
    Fault: _fault,
    QueryFault: _query_fault,
    ClientDisconnect: _nobody,
    HTTPException: _http,
    OSError: _disk,
    sqlite3.Error: _disk,
    Exception: _unexpected,
}
