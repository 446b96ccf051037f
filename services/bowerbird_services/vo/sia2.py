"""SIA 2.0: the images and cubes that whoever asks may read, by where, when, in which light and with what they were observed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
from bowerbird.axes import STATE_OF
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.archive import Archive
from bowerbird_services.engine import Interrupted
from bowerbird_services.formats import chosen
from bowerbird_services.site import Site
from bowerbird_services.sky_regions import Circle, Polygon, Region
from bowerbird_services.store import obscore
from bowerbird_services.store.dids import DID, NoDID
from bowerbird_services.store.footprints import Watch
from bowerbird_services.store.observed import Overlap, Search
from bowerbird_services.streams import Outflow
from bowerbird_services.tables import Column, Table
from bowerbird_services.vo import vosi
from bowerbird_services.vo.dali import VOTABLE, Fault, Parameters, parameters, shown
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.tap import form_of, limit_of
from bowerbird_services.vo.tap_service import sign_in_headers
from bowerbird_services.vo.values import interval, position
from bowerbird_services.vo.xml import document

STANDARD: Final = "ivo://ivoa.net/std/SIA#query-2.0"
# Section 2.1: the columns of ObsCore that a parameter is compared with.
_SPANS: Final = {
    "BAND": ("em_min", "em_max"),
    "TIME": ("t_min", "t_max"),
    "FOV": ("s_fov", "s_fov"),
    "SPATRES": ("s_resolution", "s_resolution"),
    "SPECRP": ("em_res_power", "em_res_power"),
    "EXPTIME": ("t_exptime", "t_exptime"),
    "TIMERES": ("t_resolution", "t_resolution"),
}
_TEXTS: Final = {
    "ID": "obs_publisher_did",
    "COLLECTION": "obs_collection",
    "FACILITY": "facility_name",
    "INSTRUMENT": "instrument_name",
    "TARGET": "target_name",
}
_KINDS: Final = ("image", "cube")
# ObsCore 1.1, section 3.3.1: a search for others finds none here.
_OTHER_KINDS: Final = ("spectrum", "sed", "timeseries", "visibility", "event", "measurements")
_LEVELS: Final = range(5)
# ObsCore 1.1, section B.6.6: those of FITS, and what is computed of them.
_STATES: Final = (*STATE_OF.values(), "POLI", "POLA")
_MOST_VALUES: Final = 1000
# Of all polygons together: each image is compared with every one.
_MOST_VERTICES: Final = 2000
_MOST_FIELDS: Final = _MOST_VALUES + 20
# Among so many observations a search by one circle takes less time than to wake a thread for it.
_FEW: Final = 100


def search(given: Parameters) -> Search:
    """Return what is asked for; Fault where a value is none. Other parameters are passed over, as by each service of a search in many."""
    return Search(
        regions=_regions(given),
        overlaps=tuple(
            Overlap(low, high, tuple(interval(name, text) for text in texts))
            for name, (low, high) in _SPANS.items()
            if (texts := _values(given, name))
        ),
        equal={"dataproduct_type": _kinds(given)} | _levels(given) | {column: texts for column, texts in _texts(given) if texts},
        formats=_values(given, "FORMAT"),
        states=_states(given),
    )


def _regions(given: Parameters) -> tuple[Region, ...]:
    found = tuple(position("POS", text) for text in _values(given, "POS"))
    vertices = sum(len(region.numbers) // 2 for region in found if isinstance(region, Polygon))
    if vertices > _MOST_VERTICES:
        raise Fault(f"POS has polygons with {vertices} vertices together; the most are {_MOST_VERTICES}; ask in several requests")
    return found


def _values(given: Parameters, name: str) -> tuple[str, ...]:
    found = given.filled(name)
    if len(found) > _MOST_VALUES:
        raise Fault(f"{name} was given {len(found)} times; the most are {_MOST_VALUES}")
    return found


def _texts(given: Parameters) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, column in _TEXTS.items():
        yield column, tuple(map(_plain, _values(given, name))) if name == "ID" else _values(given, name)


def _plain(text: str) -> str:
    """Return an identifier as the rows spell it."""
    try:
        return str(DID.parse(text))
    except NoDID:
        return text


def _kinds(given: Parameters) -> tuple[str, ...]:
    kinds = tuple(text.lower() for text in _values(given, "DPTYPE"))
    for kind in kinds:
        if kind not in _KINDS + _OTHER_KINDS:
            raise Fault(f"DPTYPE is {shown(kind)}; it is {' or '.join(_KINDS)}")
    return tuple(kind for kind in _KINDS if kind in kinds) if kinds else _KINDS


def _levels(given: Parameters) -> dict[str, tuple[int, ...]]:
    texts = _values(given, "CALIB")
    for text in texts:
        if text not in map(str, _LEVELS):
            raise Fault(f"CALIB is {shown(text)}; it is a level of calibration from {_LEVELS[0]} to {_LEVELS[-1]}")
    return {"calib_level": tuple(map(int, texts))} if texts else {}


def _states(given: Parameters) -> tuple[str, ...]:
    states = tuple(text.upper() for text in _values(given, "POL"))
    for state in states:
        if state not in _STATES:
            raise Fault(f"POL is {shown(state)}; it is one of {', '.join(_STATES)}")
    return states


def _is_light(asked: Search) -> bool:
    return len(asked.regions) <= 1 and all(isinstance(region, Circle) for region in asked.regions)


@dataclass(slots=True)
class _Search:
    """A search as an answer: its rows are looked for as they are read, so that it can be stopped in the midst of it."""

    find: Callable[[Watch], pa.Table]
    columns: tuple[Column, ...] = obscore.COLUMNS
    tables: tuple[Table, ...] = (obscore.TABLE,)
    _stopped: bool = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Find the rows and yield them; Interrupted where it was told to stop."""
        yield from self.find(self._watch).to_batches()

    def interrupt(self) -> None:
        """End the search before the next image."""
        self._stopped = True

    def _watch(self) -> None:
        if self._stopped:
            raise Interrupted("the search was stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


class SIA2Service:
    """Answers for the images and cubes of one site."""

    def __init__(self, site: Site, archive: Archive, health: Health) -> None:
        self._site = site
        self._health = health
        self._archive = archive

    def routes(self) -> list[Route]:
        """Return the addresses below /sia2."""
        return [
            Route("/query", self.query, methods=["GET", "POST"]),
            Route("/capabilities", self.capabilities),
            Route("/availability", self.availability),
        ]

    async def query(self, request: Request) -> Response:
        """Answer a query."""
        site = self._site
        identity = await site.identities.of(request)
        given = await parameters(request, most_fields=_MOST_FIELDS)
        await given.close()
        asked = search(given)
        # FORMAT is a parameter of the search here, and no other name of RESPONSEFORMAT.
        form = form_of(given) if given.single("RESPONSEFORMAT") else chosen("votable/td")
        assert form is not None  # noqa: S101 - it is one of ours
        limit = limit_of(given, site.allowance(identity))

        few = self._archive.few_observed(identity, site.clock(), _FEW) if _is_light(asked) else None

        def find(watch: Watch) -> pa.Table:
            found = (few or self._archive.observed(identity, site.clock())).matching(asked, watch)
            # Each batch is written alone, so that few rows in many pieces would cost as much as many rows.
            return found.slice(0, limit + 1).combine_chunks()

        infos = (("SERVICE_PROTOCOL", "SIA 2.0"),)
        flow = Outflow(lambda: _Search(find), form, lambda answer: site.described(answer, infos, site.spool), limit)
        flow.is_light = few is not None
        # Many clients compare the media type as a text.
        media_type = VOTABLE if form.mime.startswith(VOTABLE) else form.mime
        return await site.answer(request, identity, flow, media_type, form.text)

    async def capabilities(self, request: Request) -> Response:
        """Tell what the service can do, and how to sign in; this is no secret."""
        identity = await self._site.identities.of(request)
        base = f"{self._site.address_of(request)}/sia2"
        answer = document(vosi.simple_capabilities(STANDARD, base, "query", "2.0"))
        answer.headers.update(sign_in_headers(identity))
        return answer

    async def availability(self, _request: Request) -> Response:
        """Tell that the service is there."""
        return document(vosi.availability(self._site.started, self._health.of_products()))
