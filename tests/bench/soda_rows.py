"""A synthetic mosaic of more than 1 GB over HTTP: found, linked, and cut by 1′, ours signed in, beside DaCHS, one client and eight."""

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import TypeAlias
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
# Of what is asked for: the row, what it says, and the goal.
_KINDS = {
    "cut": ("P8", "cutouts of 1′ by SODA", 20.0),
    "search": ("P8-S", "searches for the images of a place by SIA2", 5.0),
    "links": ("P8-L", "links of an image by DataLink", 8.0),
}
_OURS = {"cut": "/soda/sync", "search": "/sia2/query", "links": "/datalink/links"}
_THEIRS = {"cut": "/img/q/dl/dlget", "search": "/__system__/siap2/sitewide/siap2.xml", "links": "/img/q/dl/dlmeta"}
# In a binary answer nobody sees whether the image was found.
_FORM = f"RESPONSEFORMAT={quote('application/x-votable+xml;serialization=TABLEDATA', safe='')}"
_MEMORY = 350.0
_OK = 200

Requests: TypeAlias = "dict[str, Asked]"


@dataclass(frozen=True)
class Asked:
    """Requests to one service, what each says, and what is in a good answer."""

    paths: Sequence[str]
    good: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def rate(self, clients: int) -> float:
        """Return how many answers a second so many clients get, each as fast as the last one came."""
        end = time.perf_counter() + _SECONDS
        counts = [0] * clients
        wrong: list[str] = []

        def ask(number: int) -> None:
            place = urlsplit(self.paths[0])
            origin = f"{place.scheme}://{place.netloc}"
            connection = HTTPConnection(place.hostname or "", place.port, timeout=60)
            while time.perf_counter() < end and not wrong:
                path = self.paths[(counts[number] * clients + number) % len(self.paths)]
                connection.request("GET", path.removeprefix(origin), headers=dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != _OK or self.good not in content:
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
            raise AssertionError(f"{self.paths[0]} answers {wrong[0]}")
        return sum(counts) / (time.perf_counter() - begin)


def rows(_rounds: int) -> list[Row]:
    """Measure nothing: what there is to say is beside a peer."""
    return []


def peer_rows(rounds: int) -> list[Row]:
    """Measure both in turns, from copies of one file."""
    with work() as one, tempfile.TemporaryDirectory(dir=one.mosaic.parent) as place, dachs(stars(10)) as peer:
        publish(peer, [one.mosaic])
        positions = [(float(at.ra.deg), float(at.dec.deg)) for at in islice(one.positions, _POSITIONS)]
        with image_service.serving(Path(place), one.mosaic) as running:
            theirs = _asked(_THEIRS, peer.address, f"ivo://x-bench/~?img/data/{one.mosaic.name}", positions, {})
            signed = {"Authorization": f"Bearer {image_service.TOKEN}"}
            mine = _asked(_OURS, running.address, image_service.MOSAIC, positions, signed)
            found = [
                _row((f"{name}{suffix}", what, goal), clients, mine[kind], theirs[kind], rounds)
                for kind, (name, what, goal) in _KINDS.items()
                for suffix, clients in (("", _CLIENTS), ("-1", 1))
            ]
            memory = Row.alone("P8-M", "most memory of the images' service", [running.most_mib], unit="MiB", goal=_MEMORY, better="lower")
            return [*found, memory]


def _asked(
    places: Mapping[str, str], address: str, did: str, positions: Sequence[tuple[float, float]], headers: dict[str, str]
) -> Requests:
    """Return the requests of each kind to a service."""
    name, file = quote(did, safe=""), did.rpartition("/")[2].rpartition("?")[2].encode()
    return {
        "cut": Asked([f"{address}{places['cut']}?ID={name}&CIRCLE={ra}+{dec}+{_RADIUS}" for ra, dec in positions], b"SIMPLE", headers),
        "search": Asked([f"{address}{places['search']}?POS=CIRCLE+{ra}+{dec}+{_RADIUS}&{_FORM}" for ra, dec in positions], file, headers),
        "links": Asked([f"{address}{places['links']}?ID={name}"], b"SODA#sync", headers),
    }


def _row(told: tuple[str, str, float], clients: int, mine: Asked, theirs: Asked, rounds: int) -> Row:
    name, what, goal = told
    pair = paired(rounds, lambda: mine.rate(clients), lambda: theirs.rate(clients))
    return Row.against(name, f"{what}, clients: {clients}, ours signed in", *pair, peer_name="DaCHS", unit="/s", goal=goal, better="higher")
