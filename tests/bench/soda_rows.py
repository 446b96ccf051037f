"""Cutouts of 1′ over HTTP from a synthetic mosaic of more than 1 GB: our SODA, signed in, beside DaCHS's, one client and eight."""

import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.bench import image_service
from tests.bench.cutout_rows import work
from tests.bench.row import Row, paired
from tests.bench.table_service import stars
from tests.support.dachs import dachs
from tests.support.dachs_images import publish

_SECONDS = 3.0
_CLIENTS = 8
_POSITIONS = 500
_RADIUS = 0.00833
_GOAL = 20.0
_OK = 200


@dataclass(frozen=True)
class Cutouts:
    """A service of cutouts, and what each request to it says."""

    address: str
    did: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def rate(self, clients: int, positions: list[tuple[float, float]]) -> float:
        """Return how many cutouts a second so many clients get, each as fast as the last one came."""
        end = time.perf_counter() + _SECONDS
        counts = [0] * clients
        wrong: list[str] = []

        def ask(number: int) -> None:
            place = urlsplit(self.address)
            connection = HTTPConnection(place.hostname or "", place.port, timeout=60)
            while time.perf_counter() < end and not wrong:
                ra, dec = positions[(counts[number] * clients + number) % len(positions)]
                connection.request("GET", f"{place.path}?ID={quote(self.did)}&CIRCLE={ra}+{dec}+{_RADIUS}", headers=dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != _OK or not content.startswith(b"SIMPLE"):
                    wrong.append(f"{answer.status}: {content[:200]!r}")
                counts[number] += 1
            connection.close()

        begin = time.perf_counter()
        asking = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        if wrong:
            raise AssertionError(f"{self.address} answers {wrong[0]}")
        return sum(counts) / (time.perf_counter() - begin)


def rows(_rounds: int) -> list[Row]:
    """Measure nothing: what there is to say is beside a peer."""
    return []


def peer_rows(rounds: int) -> list[Row]:
    """Measure both in turns, from copies of one file."""
    with work() as one, tempfile.TemporaryDirectory(dir=one.mosaic.parent) as place, dachs(stars(10)) as peer:
        publish(peer, [one.mosaic])
        positions = [(float(at.ra.deg), float(at.dec.deg)) for at in islice(one.positions, _POSITIONS)]
        theirs = Cutouts(f"{peer.address}/img/q/dl/dlget", f"ivo://x-bench/~?img/data/{one.mosaic.name}")
        with image_service.serving(Path(place), one.mosaic) as address:
            signed = {"Authorization": f"Bearer {image_service.TOKEN}"}
            mine = Cutouts(f"{address}/soda/sync", image_service.MOSAIC, signed)
            return [_row(name, clients, mine, theirs, positions, rounds) for name, clients in (("P8", _CLIENTS), ("P8-1", 1))]


def _row(name: str, clients: int, mine: Cutouts, theirs: Cutouts, positions: list[tuple[float, float]], rounds: int) -> Row:
    pair = paired(rounds, lambda: mine.rate(clients, positions), lambda: theirs.rate(clients, positions))
    what = f"cutouts of 1′ by SODA, clients: {clients}, ours signed in"
    return Row.against(name, what, *pair, peer_name="DaCHS", unit="/s", goal=_GOAL, better="higher")
