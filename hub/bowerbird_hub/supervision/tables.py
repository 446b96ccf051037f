"""The tables of the releases, made and kept: an ingest in a sandbox that sees the releases and writes nothing but tables.

It runs beside the platform, never before it, and again when the platform file or a file of a release changes.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.table_order import TableOrder, table_order
from bowerbird_hub.runtimes.sandbox import SERVICES_ID, Bind, Sandbox, argv
from bowerbird_hub.supervision import helper
from bowerbird_hub.supervision.release_trace import trace
from pydantic import ValidationError

# The state of a row while something is made.
MAKING = "making"
_LOOK_SECONDS = 5.0
_MEMBERS = ("config", "extensions", "services")
_RELEASES = PurePosixPath("/releases")
# Whoever waits for a page comes first.
_GENTLY = ("/usr/bin/nice", "-n", "10")
# The sandbox has no home; what libraries would keep there goes with it.
_NO_HOME = {"HOME": "/tmp", "XDG_CACHE_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}  # noqa: S108  the sandbox's own


# What an ingest that came to its end exits with.
_MADE, _NOT_WHOLE = 0, 1
# Longest time between two tries of an ingest that was killed or broke, in looks.
_MOST_LOOKS = 64


class IngestEnded(Exception):
    """An ingest ended before it had said what it could not make; the words are for people."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The ingest of one platform."""

    install: Install
    var: Var
    as_root: bool

    @property
    def name(self) -> str:
        """What it makes: its log and its row are called so."""
        return "tables"

    @property
    def place(self) -> Path:
        """Where it puts what it makes."""
        return self.var.tables

    @property
    def program(self) -> str:
        """The module that makes it."""
        return "bowerbird_services.ingest.run"

    @property
    def log(self) -> Path:
        """What the ingest said."""
        return self.var.logs / f"{self.name}.log"

    @property
    def possible(self) -> bool:
        """Tell whether the services are installed here."""
        return self.install.services_python.exists() and all((self.install.root / member).is_dir() for member in _MEMBERS)

    def order(self) -> TableOrder | None:
        """Return what the platform that runs asks for; None where it cannot be read."""
        try:
            platform = Platform.model_validate_json(self.var.platform.read_bytes())
        except (OSError, ValidationError):
            return None
        return table_order(platform, self.var)

    async def make(self, order: TableOrder, say: Callable[[str], None], environment: Mapping[str, str]) -> str | None:
        """Make what is missing or has changed; returns what could not be made, in words. Raises IngestEnded."""
        wrong: list[str] = []

        def heard(line: str) -> None:
            line = line.removeprefix(f"{self.name}: ")
            if line.startswith(("table ", "survey ")):
                wrong.append(line)
            say(line)

        _prepare(self.place, SERVICES_ID if self.as_root else os.geteuid())
        seen = self._seen(order) if self.as_root else order
        surroundings = {**environment, **_NO_HOME} if self.as_root else environment
        status = await helper.run(self.command(order), self.log, heard, surroundings, seen.model_dump_json().encode())
        if status not in {_MADE, _NOT_WHOLE} or (status == _NOT_WHOLE and not wrong):
            raise IngestEnded(f"the ingest ended with exit status {status} and is tried again; log: {self.log}")
        return "; ".join(wrong) or None

    def command(self, order: TableOrder) -> tuple[str, ...]:
        """Return the argv of the ingest."""
        python = self.install.services_python
        program = (*_GENTLY, str(python), "-I", "-m", self.program, str(self.place))
        if not self.as_root:
            return program
        releases = (Bind(release.directory, _place(release.name)) for release in order.releases if release.directory.is_dir())
        sandbox = Sandbox(
            command=program,
            uid=SERVICES_ID,
            gid=SERVICES_ID,
            binds=(
                Bind.same(python.parent.parent),
                *(Bind.same(self.install.root / member) for member in _MEMBERS),
                *releases,
                Bind.same(self.place, writable=True),
            ),
            hostname=self.name,
        )
        return tuple(argv(sandbox))

    def traces(self, order: TableOrder) -> str:
        """Return what changes when there is something to do."""
        return traces(order)

    def made(self) -> object:
        """Return what changes when something that was made is lost."""
        return rows_of(self.var)

    def _seen(self, order: TableOrder) -> TableOrder:
        """Return the order as the sandbox sees the releases."""
        moved = (release.model_copy(update={"directory": Path(_place(release.name))}) for release in order.releases)
        return TableOrder(releases=tuple(moved))


def _place(release: str) -> PurePosixPath:
    return _RELEASES / release


def _prepare(place: Path, owner: int) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(place, owner, -1)
    place.chmod(0o700)


def traces(order: TableOrder) -> str:
    """Return what changes when the ingest has something to do."""
    told = [order.model_dump_json()]
    for release in order.releases:
        told += trace(release.directory)
        files = [release.directory / table.file for table in release.tables.values()]
        files += [release.directory / table.metadata for table in release.tables.values() if table.metadata]
        told += [f"{path} {stamp(path)}" for path in files]
    return "\n".join(told)


def rows_of(var: Var) -> dict[Path, tuple[int, int] | None]:
    """Return which files of rows there are: what changes when one is lost or cut off."""
    return {path: stamp(path) for path in var.tables.glob("*/*/*.parquet")}


def stamp(path: Path) -> tuple[int, int] | None:
    """Return when a file was changed and how long it is; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class _Told:
    """What an ingest says, without what the last one has said where it only looks whether all is there."""

    def __init__(self, row: Callable[[str, str], None]) -> None:
        self._row = row
        self._lines: set[str] = set()

    def begin(self, *, anew: bool) -> None:
        """Begin with the next ingest; where it makes things `anew`, all that it says is news."""
        if anew:
            self._lines.clear()

    def say(self, line: str) -> None:
        """Show a line that is news."""
        if line not in self._lines:
            self._lines.add(line)
            self._row(MAKING, line)


async def keep(tables: Tables, row: Callable[[str, str], None], environment: Mapping[str, str], seconds: float = _LOOK_SECONDS) -> None:
    """Make what `tables` makes, and again whenever something changed or was lost, until cancelled; `row` gets a state and what to say."""
    if not tables.possible:
        return
    done: object = None
    there: object = None
    looks, told = 1, _Told(row)
    while True:
        order = await asyncio.to_thread(tables.order)
        now = await asyncio.to_thread(tables.traces, order) if order and order.releases else done
        made = await asyncio.to_thread(tables.made)
        if order is not None and (now != done or made != there):
            told.begin(anew=now != done)
            # As it was before: what is lost while others are made, or right after, is seen the next time.
            done, there = now, made
            try:
                wrong, looks = await tables.make(order, told.say, environment), 1
            except OSError as error:
                wrong = f"the ingest could not be started ({error.strerror})"
            except IngestEnded as error:
                wrong, done, looks = str(error), None, min(2 * looks, _MOST_LOOKS)
            row("not whole" if wrong else "ready", wrong or "")
        await asyncio.sleep(seconds * looks)
