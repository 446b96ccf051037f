"""Keep the tables and surveys of a platform on a cluster: what the chart starts beside the services, in their pod.

It follows the hub's feed, as they do, and makes what is described of the releases in the pod's volume. What it says is on
standard output; how it goes is in a file that the services tell of. The token of the hub comes in the environment.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bowerbird_config.ingests import making, program
from bowerbird_config.ingests.keeping import LACKS, MAKING, NOT_WHOLE, keep_both
from bowerbird_config.ingests.making import LOOK_SECONDS, Making
from bowerbird_config.table_order import TableOrder, order_below

from bowerbird_services.hub_feed import HubFeed
from bowerbird_services.identity import Records
from bowerbird_services.ingest import memory
from bowerbird_services.ingest.state import StateFile

# What an ingest, which reads anybody's files, has of our own surroundings: no token of the hub.
_PASSED_ON = ("PATH", "LANG", "TZ")
_GLANCE_SECONDS = 0.2
# So long the kernel may take to count what one that was ended gave back.
_COUNTED_SECONDS = 2.0

_log = logging.getLogger("bowerbird.ingest")


class PodWorkshop:
    """The ingests in the services' pod, where every release is below one directory."""

    def __init__(self, records: Records, releases: Path, cgroup: Path) -> None:
        self._records = records
        self._releases = releases
        self._cgroup = cgroup
        self._order: TableOrder | None = None
        self._running: set[int] = set()
        self._spared_until = 0.0
        records.on_change(self._take)

    def _take(self) -> None:
        # While the hub is away its last word holds: files may change all the same.
        if self._records.synced:
            self._order = order_below(self._records.platform, self._releases)

    def order(self) -> TableOrder | None:
        """Return what the hub said last; None before it did, and while the volume does not answer."""
        try:
            os.scandir(self._releases).close()
        except OSError:
            return None
        return self._order

    def log_of(self, making: Making) -> None:
        """Return None: all that is said is this program's own log."""

    async def run(self, making: Making, order: TableOrder, heard: Callable[[str], None]) -> int:
        """Run an ingest to its end, and return its exit status; it is ended as if by the node where little memory is left.

        Of two that run beside each other that is the larger one.
        """
        command = (sys.executable, "-I", "-m", making.program, str(making.place))
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        surroundings = {**passed_on, **program.NO_HOME}
        own: set[int] = set()

        def begun(pid: int) -> None:
            own.add(pid)
            self._running.add(pid)

        running = asyncio.create_task(program.run(command, None, heard, surroundings, order.model_dump_json().encode(), begun))
        try:
            while not (await asyncio.wait({running}, timeout=_GLANCE_SECONDS))[0]:
                if self._takes_too_much(own):
                    return -signal.SIGKILL
            return running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._running -= own

    def _takes_too_much(self, own: set[int]) -> bool:
        if time.monotonic() < self._spared_until or not memory.is_short(self._cgroup):
            return False
        is_largest = max(self._running, key=memory.taken, default=None) in own
        if is_largest:
            self._spared_until = time.monotonic() + _COUNTED_SECONDS
        return is_largest


class _Teller:
    """Says in the log what is news, and how it goes in the file."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        # By what is made: the sentences that hold, as they were said.
        self._said: dict[str, set[str]] = {}

    def __call__(self, making: Making, state: str, said: Sequence[str]) -> None:
        known = self._said.setdefault(making.name, set())
        for line in said:
            wrong = state == NOT_WHOLE or line.startswith(LACKS)
            if state == MAKING or line not in known:
                _log.log(logging.WARNING if wrong else logging.INFO, "%s: %s", making.name, line)
            known.update({line} if wrong else ())
        if state != MAKING:
            known.intersection_update(said)
        self._file.tell(making.name, state, said)


async def _beat(file: StateFile, seconds: float) -> None:
    while True:
        file.beat()
        await asyncio.sleep(seconds)


async def _follow(arguments: argparse.Namespace) -> None:
    """Keep both until the task is cancelled, and with it what runs."""
    records = Records()
    workshop, file = PodWorkshop(records, arguments.releases, arguments.cgroup), StateFile(arguments.state)
    tables = making.tables(arguments.tables, arguments.seconds)
    surveys = making.surveys(arguments.surveys, arguments.tables, arguments.seconds)
    feed = HubFeed(arguments.hub, os.environ["JUPYTERHUB_API_TOKEN"], records)
    async with asyncio.TaskGroup() as all_of_it:
        all_of_it.create_task(feed.follow())
        all_of_it.create_task(keep_both(tables, surveys, workshop, _Teller(file)))
        all_of_it.create_task(_beat(file, arguments.seconds))


async def _until_a_signal(arguments: argparse.Namespace) -> None:
    following = asyncio.create_task(_follow(arguments))
    # The first process of a container ends by no signal that it does not listen for.
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, following.cancel)
    with suppress(asyncio.CancelledError):
        await following


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Keep the tables and surveys of a platform's releases.")
    parser.add_argument("--hub", required=True, help="the hub's inner door, such as http://hub:8083")
    parser.add_argument("--releases", type=Path, required=True, help="where the releases lie, as COLLECTION/RELEASE")
    parser.add_argument("--tables", type=Path, required=True, help="where the tables are put")
    parser.add_argument("--surveys", type=Path, required=True, help="where the HiPS are put")
    parser.add_argument("--state", type=Path, required=True, help="the file that says how it goes")
    parser.add_argument("--cgroup", type=Path, default=memory.CGROUP, help="where the container's memory is told")
    parser.add_argument("--seconds", type=float, default=LOOK_SECONDS, help="how often is looked what changed")
    return parser.parse_args()


def main() -> int:
    """Keep both until a signal ends it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)
    asyncio.run(_until_a_signal(_arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
