"""`/data` beside the disk below it and beside other file systems of its kind; what each server is given, its name says.

A first pass finds nothing in the caches of its mount and everything in the memory of the disk below, a second one what the
first has left. In each round every server gets a fresh mount and the same work, and is first in its turn.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import file_set
from tests.bench.file_servers import BINDFS, STOCK, Bench, Server, bench, in_turns
from tests.bench.fuse_curves import draw  # noqa: F401  the command finds it here
from tests.bench.row import Row

_ROOT = Path(__file__).parents[2]
_KIB = 1024
_MADE = 1000


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work, done once for each of its `passes` (the rows' words for them)."""

    what: str
    do: str
    path: str
    passes: tuple[str, ...]
    count: int = 0
    size: int = 0


TWICE = ("first pass", "second pass")
READING = (
    Work("sequential", "sequential", "sequential", TWICE),
    Work("random 64 KiB", "random", "random-64k", TWICE, 3000, 64 * _KIB),
    Work("random 4 KiB", "random", "random-4k", TWICE, 20_000, 4 * _KIB),
)
LOOKING = (
    Work("ls -l of 10,000", "ls", "wide", ("cold", "warm")),
    Work("stat", "stat", "wide", ("warm",), file_set.WIDE),
    Work("readdir of 10,000", "names", "wide", ("warm",)),
    Work("walk of 20,000", "walk", "tree", ("cold",)),
)
SMALL = Work("open + read 4 KiB + close", "small", "small", TWICE, file_set.SMALL)
MAKING = Work("create + write 4 KiB + close", "create", "made", ("",), _MADE)
RELEASE = (*READING, *LOOKING, SMALL)
HOME = (*READING, SMALL, MAKING)


@dataclass
class Figures:
    """What was measured of one server, by place and row: microseconds an operation, processor time of the server likewise."""

    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    idle_mib: list[float] = field(default_factory=list)
    walked_mib: list[float] = field(default_factory=list)

    def take(self, bench: Bench, server: Server, place: str, work: Work) -> None:
        """Do that work, once a pass."""
        top = server.release if place == "release" else server.home
        for name in work.passes:
            row = (place, f"{work.what}, {name}" if name else work.what)
            before = server.cpu_seconds()
            took, operations, self.seen[row] = bench.run(work.do, top / work.path, work.count, work.size)
            self.times.setdefault(row, []).append(took)
            self.cpu.setdefault(row, []).append((server.cpu_seconds() - before) * 1e6 / operations)


# Words in a row's name, its id, and how many times the peer's time it may take.
Promises = tuple[tuple[str, str, float], ...]
OF_NATIVE: Promises = (("random 4 KiB", "P1", 1.3), ("sequential", "P1", 1.15), ("random", "P1", 1.15), ("warm", "P2", 1.2))
OF_BINDFS: Promises = (("sequential", "P1", 1.2), ("random", "P1", 1.2), ("cold", "P3", 0.6), ("open", "P4", 1.0), ("create", "P4", 1.0))

Mount = Callable[[], AbstractContextManager[Server]]
Plan = dict[str, tuple[Mount, tuple[Work, ...], tuple[Work, ...]]]


def measure(bench: Bench, rounds: int, plan: Plan) -> dict[str, Figures]:
    """Measure each server of the plan in every round; AssertionError where two saw different things."""
    found = {name: Figures() for name in plan}
    for number in range(rounds):
        for name in in_turns(number, list(plan)):
            mount, release, home = plan[name]
            with mount() as server:
                for place, works in (("release", release), ("home", home)):
                    for work in works:
                        found[name].take(bench, server, place, work)
    for figures in found.values():
        for row, seen in figures.seen.items():
            if any(other.seen.get(row, seen) != seen for other in found.values()):
                raise AssertionError(f"{row} is not the same through every server")
    return found


def memory(bench: Bench, rounds: int) -> Figures:
    """Measure the memory of a worker that has just started, and after it has shown 10⁵ files."""
    figures = Figures()
    for _ in range(rounds):
        with bench.ours() as server:
            figures.idle_mib.append(server.memory_mib())
            bench.run("ls", server.release / f"entries-{file_set.ENTRIES[-1]}")
            figures.walked_mib.append(server.memory_mib())
    return figures


def rows(rounds: int) -> list[Row]:
    """Measure what needs nothing that is not there: beside the disk itself, and beside stock pyfuse3."""
    with _bench() as files:
        plan: Plan = {
            "native": (files.native, RELEASE, HOME),
            "ours": (files.ours, RELEASE, HOME),
            "stock": (files.stock, READING[-1:], READING[-1:]),
        }
        found = measure(files, rounds, plan)
        weights = memory(files, rounds)
    row = ("home", "random 4 KiB, first pass")
    ours, stock = found["ours"].cpu[row], found["stock"].cpu[row]
    what = "server CPU of a 4 KiB read"
    return [
        *_beside(found["ours"], found["native"], "the disk itself", OF_NATIVE),
        Row.against("fuse-cpu", what, ours, stock, peer_name=STOCK, unit="us", goal=0.6, better="lower"),
        Row.alone("fuse-idle", "worker, idle (RSS)", weights.idle_mib, unit="MiB", goal=35, better="lower"),
        Row.alone("fuse-walked", "worker that has shown 10⁵ files (RSS)", weights.walked_mib, unit="MiB", goal=80, better="lower"),
    ]


def peer_rows(rounds: int) -> list[Row]:
    """Measure beside bindfs, which must be installed."""
    with _bench() as files:
        works: tuple[tuple[Work, ...], tuple[Work, ...]] = (RELEASE, HOME)
        plan: Plan = {"ours": (files.ours, *works), "without": (files.without_passthrough, READING, ()), "bindfs": (files.bindfs, *works)}
        found = measure(files, rounds, plan)
    without = _beside(found["without"], found["bindfs"], BINDFS, OF_BINDFS, "without passthrough, ")
    return [*_beside(found["ours"], found["bindfs"], BINDFS, OF_BINDFS), *without]


def _beside(ours: Figures, peer: Figures, peer_name: str, promises: Promises, how: str = "") -> list[Row]:
    """Return a row of all that something is promised of beside that peer; the first words that fit are the promise."""
    made = []
    for row, times in ours.times.items():
        promise = next(((id, goal) for words, id, goal in promises if words in row[1]), None)
        if promise is not None:
            id, goal = promise
            what = f"{row[0]}: {how}{row[1]}"
            made.append(Row.against(id, what, times, peer.times[row], peer_name=peer_name, unit="us", goal=goal, better="lower"))
    return made


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(dir=_ROOT / ".bowerbird", prefix="bench-") as folder, bench(Path(folder)) as made:
        yield made
