"""One small asynchronous query from its text to its table: our client beside pyvo, and beside what DaCHS itself takes."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import bowerbird
from bowerbird.vo.addresses import PLATFORM
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.jobs import Job
from bowerbird.vo.records import Records
from bowerbird.vo.tap import TAP, Question
from bowerbird.vo.tokens import Tokens

from tests.bench.row import Row, paired
from tests.bench.table_service import TABLE, TOKEN, Service
from tests.support.dachs import DaCHS
from tests.support.sessions import forget

Ask = Callable[[str], object]
_PEERS_TABLE = "sky.stars"


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


async def _told(peer: DaCHS, adql: str) -> tuple[float, float]:
    """Return after how long our client knows that a job of DaCHS is over, and after how long it was, by the clock of DaCHS."""
    async with HTTP(Tokens()) as http:
        form = Question(adql).form(await TAP(http, peer.tap, Records(None)).response_format())
        begun = time.time()
        asked = Asked("POST", f"{peer.tap}/async", {**form, "PHASE": "RUN"}, query=adql)
        async with await Job.submit(http, asked, peer.tap, Records(None)) as job:
            await job.wait()
            told, name = time.time(), job.url.rpartition("/")[2]
            ended = peer.sql(f"SELECT extract(epoch FROM endtime) FROM tap_schema.tapjobs WHERE jobid = '{name}'")  # noqa: S608  its own
            return told - begun, float(ended) - begun


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
        told = [asyncio.run(_told(peer, new(_PEERS_TABLE))) for _ in range(rounds)]
    what = "small asynchronous query, our client"
    return [
        Row.against("P10", f"{what} on ours", *whole, peer_name="pyvo on DaCHS", unit="s", goal=25, better="higher"),
        Row.against("P10-client", f"{what} on DaCHS", *alone, peer_name="pyvo on DaCHS", unit="s", goal=1.5, better="higher"),
        # No client can be sooner: what DaCHS takes to start a process for each job is most of it.
        Row.against(
            "P10-floor",
            "a small job of DaCHS is known to be over",
            *zip(*told, strict=True),
            peer_name="when it is",
            unit="s",
            goal=0.85,
            better="higher",
        ),
    ]
