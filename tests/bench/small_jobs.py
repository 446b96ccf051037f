"""One small asynchronous query from its text to its table: our client beside pyvo, and beside the least that DaCHS takes."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import bowerbird
import httpx
from bowerbird.vo.addresses import PLATFORM

from tests.bench.row import Row, paired
from tests.bench.table_service import TABLE, TOKEN, Service
from tests.support.dachs import DaCHS
from tests.support.sessions import forget

Ask = Callable[[str], object]
_PEERS_TABLE = "sky.stars"
_POLL_SECONDS = 1.0
_MOST_SECONDS = 60.0


@contextmanager
def _notebook(platform: str) -> Iterator[None]:
    """Be a notebook of a platform while the block runs, with what it keeps of its services; pyvo keeps its session too."""
    environment = {PLATFORM: platform, "JUPYTERHUB_API_TOKEN": TOKEN}
    with patch.dict(os.environ, environment):
        forget()
        yield
    forget()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def least(peer: DaCHS, adql: str) -> float:
    """Return what a client would need that knows by itself when DaCHS is done: the job by its own clock, and the answer's way."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        client.get(f"{peer.tap}/availability")
        begun = time.time()
        made = client.post(f"{peer.tap}/async", data={"QUERY": adql, "LANG": "ADQL", "REQUEST": "doQuery"})
        job = str(made.headers["location"])
        client.post(f"{job}/phase", data={"PHASE": "RUN"})
        # Whoever asks takes from the processor that the job is started with.
        deadline = time.monotonic() + _MOST_SECONDS
        while (phase := client.get(f"{job}/phase").text) != "COMPLETED":
            if phase == "ERROR" or time.monotonic() > deadline:
                raise RuntimeError(f"DaCHS did not do {adql}: it is {phase}")
            time.sleep(_POLL_SECONDS)
        name = job.rpartition("/")[2]
        ended = float(peer.sql(f"SELECT extract(epoch FROM endtime) FROM tap_schema.tapjobs WHERE jobid = '{name}'"))  # noqa: S608  its own
        answer = _seconds(lambda: client.get(f"{job}/results/result").raise_for_status())
        return ended - begun + answer + _seconds(lambda: client.delete(job))


def rows(served: Service, peer: DaCHS, pyvos: Ask, new: Callable[[str], str], rounds: int) -> list[Row]:
    """Measure beside pyvo on DaCHS; `new` gives a query of a table that was not asked before, and so is not answered from memory."""

    def query(table: str, service: str) -> float:
        adql = new(table)
        return _seconds(lambda: bowerbird.query(adql, service=service, background=True, cache=False))

    def theirs() -> float:
        adql = new(_PEERS_TABLE)
        return _seconds(lambda: pyvos(adql))

    def ours_there() -> float:
        return query(_PEERS_TABLE, peer.tap)

    with _notebook(served.tap):
        for first in (lambda: query(TABLE, served.tap), ours_there, theirs):
            first()  # with what is asked of a service once
        whole = paired(rounds, lambda: query(TABLE, served.tap), theirs)
        alone = paired(rounds, ours_there, theirs)
        floor = paired(rounds, ours_there, lambda: least(peer, new(_PEERS_TABLE)))
    what = "small asynchronous query, our client"
    return [
        Row.against("P10", f"{what} on ours", *whole, peer_name="pyvo on DaCHS", unit="s", goal=25, better="higher"),
        Row.against("P10-client", f"{what} on DaCHS", *alone, peer_name="pyvo on DaCHS", unit="s", goal=1.5, better="higher"),
        Row.against("P10-floor", f"{what} on DaCHS", *floor, peer_name="the least that DaCHS takes", unit="s", goal=0.85, better="higher"),
    ]
