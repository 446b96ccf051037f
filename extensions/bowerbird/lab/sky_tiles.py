"""The platform's survey as a still map shows it: its tiles (HiPS 1.0), asked for as this server may, laid on the pixels of the picture."""

import asyncio
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from struct import error as StructError
from typing import Any, Final

import numpy as np

from bowerbird.errors import ServiceGone, ServiceSlow
from bowerbird.lab import healpix
from bowerbird.png import rgba
from bowerbird.slab import Slab
from bowerbird.vo.deadline import within
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.session import Session

# A map waits for its picture no longer.
SILENCE_SECONDS: Final = 3.0
_AGAIN_SECONDS: Final = 60.0
_MOST_TILES: Final = 24
_DEFAULT_WIDTH: Final = 512
_IN_A_DIRECTORY: Final = 10_000
_OK: Final = 200
_NO_PICTURE: Final = (StructError, zlib.error, ValueError, StopIteration)
# The addresses that did not answer, and until when nobody waits for them.
_silent_until: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Survey:
    """One survey of a release: its address, its finest order, how many pixels the side of a tile has."""

    url: str
    order: int
    width: int


async def seen_of(session: Session, release: str, along: Slab, ra: Any, dec: Any) -> Any:
    """Return the colours (RGBA) that the release's survey of a band has at places (degrees, row by row); None where nothing is there.

    ServiceError where the platform does not answer in time; then it is asked again after a while only.
    """
    address = session.beside(f"hips/{release}")
    if address is None or time.monotonic() < _silent_until.get(address, 0.0):
        return None
    try:
        async with within(SILENCE_SECONDS, address):
            survey = await _survey(session.http, address, along)
            return None if survey is None else await _colours(session.http, survey, ra, dec)
    except (ServiceSlow, ServiceGone):
        _silent_until[address] = time.monotonic() + _AGAIN_SECONDS
        raise


async def _survey(http: HTTP, address: str, along: Slab) -> Survey | None:
    answer = await http.small(Asked("GET", f"{address}/hipslist"))
    if answer.status != _OK:
        return None
    records = [_record(part) for part in answer.body.decode("utf-8", "replace").strip().split("\n\n")]
    record = next((one for one in records if _is_of(one, along)), None)
    if record is None or not record.get("hips_order", "").isdigit():
        return None
    width = int(record.get("hips_tile_width", _DEFAULT_WIDTH))
    if width < 1:
        return None
    # The list names the address that people have; a server may have another.
    part = record.get("hips_service_url", "").partition(address.partition("/hips/")[2])[2]
    return Survey(address + part, int(record["hips_order"]), width)


def _record(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _is_of(record: Mapping[str, str], along: Slab) -> bool:
    """Tell whether a survey is of the band, as the map itself chooses."""
    if along.filter:
        return record.get("bowerbird_band", "") == along.filter
    if along.band is None:
        return True
    shortest, longest = along.band
    return float(record.get("em_min", "nan")) <= longest and float(record.get("em_max", "nan")) >= shortest


async def _colours(http: HTTP, survey: Survey, ra: Any, dec: Any) -> Any:
    there = np.isfinite(ra + dec)
    place = healpix.within(ra[there], dec[there])
    order, numbers, rows, columns = _chosen(survey, place, _pixel(ra, dec))
    wanted = np.unique(numbers).tolist()
    tiles = await asyncio.gather(*(_tile(http, survey, order, one) for one in wanted))
    colours = np.zeros((len(numbers), 4), dtype=np.uint8)
    for each, tile in zip(wanted, tiles, strict=True):
        if tile is not None:
            inside = numbers == each
            colours[inside] = tile[rows[inside], columns[inside]]
    whole = np.zeros((*there.shape, 4), dtype=np.uint8)
    whole[there] = colours
    return whole if whole.any() else None


def _pixel(ra: Any, dec: Any) -> float:
    """Return how many degrees the pixels in the middle of the picture are apart."""
    row, column = ra.shape[0] // 2, ra.shape[1] // 2
    across = (ra[row, column + 1] - ra[row, column] + 180) % 360 - 180
    return float(np.hypot(across * np.cos(np.radians(dec[row, column])), dec[row, column + 1] - dec[row, column]))


def _chosen(survey: Survey, place: tuple[Any, Any, Any], pixel: float) -> tuple[int, Any, Any, Any]:
    """Return an order whose pixels are about those of the picture, and few tiles hold it; and for each place tile, row and column."""
    face, x, y = place
    fitting = int(np.floor(np.log2(healpix.SIDE / survey.width / pixel)))
    for order in range(min(max(fitting, 0), survey.order), -1, -1):
        side = survey.width << order
        across, along = (x * side).astype(np.int64), (y * side).astype(np.int64)
        numbers = healpix.number(order, face, across // survey.width, along // survey.width)
        if order == 0 or len(np.unique(numbers)) <= _MOST_TILES:
            break
    # Section 4.2.1: the southern corner of a tile is at the top left of its picture, the eastern one at the bottom left.
    return order, numbers, across % survey.width, along % survey.width


async def _tile(http: HTTP, survey: Survey, order: int, number: int) -> Any:
    """Return the pixels of a tile; None where the survey has none, or one that is no picture of ours."""
    directory = number // _IN_A_DIRECTORY * _IN_A_DIRECTORY
    answer = await http.small(Asked("GET", f"{survey.url}/Norder{order}/Dir{directory}/Npix{number}.png"))
    if answer.status != _OK:
        return None
    try:
        pixels = await asyncio.to_thread(rgba, answer.body)
    except _NO_PICTURE:
        return None
    return pixels if pixels.shape[:2] == (survey.width, survey.width) else None
