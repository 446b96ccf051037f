"""Where tables and surveys are made on one machine: in a sandbox that sees the releases and writes nothing but what it makes."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bowerbird_config.ingests import making, program
from bowerbird_config.ingests.keeping import keep_both
from bowerbird_config.ingests.making import Making
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.table_order import TableOrder, table_order
from bowerbird_hub.runtimes.sandbox import SERVICES_ID, Bind, Sandbox, argv
from pydantic import ValidationError

_MEMBERS = ("config", "extensions", "services")
_RELEASES = PurePosixPath("/releases")
# Whoever waits for a page comes first.
_GENTLY = ("/usr/bin/nice", "-n", "10")


@dataclass(frozen=True, slots=True)
class IngestSandbox:
    """The ingests of one platform, each in a sandbox of its own."""

    install: Install
    var: Var
    as_root: bool
    environment: Mapping[str, str]

    @property
    def tables(self) -> Making:
        """The making of the platform's tables."""
        return making.tables(self.var.tables)

    @property
    def surveys(self) -> Making:
        """The making of the platform's surveys."""
        return making.surveys(self.var.surveys, self.var.tables)

    @property
    def possible(self) -> bool:
        """Tell whether the services are installed here."""
        return self.install.services_python.exists() and all((self.install.root / member).is_dir() for member in _MEMBERS)

    async def keep(self, tell: Callable[[Making, str, Sequence[str]], None]) -> None:
        """Keep tables and surveys, where the services are installed, until cancelled."""
        if self.possible:
            await keep_both(self.tables, self.surveys, self, tell)

    def log_of(self, making: Making) -> Path:
        """Return the file in which is all that an ingest said."""
        return self.var.logs / f"{making.name}.log"

    def order(self) -> TableOrder | None:
        """Return what the platform that runs asks for; None where it cannot be read."""
        try:
            platform = Platform.model_validate_json(self.var.platform.read_bytes())
        except (OSError, ValidationError):
            return None
        return table_order(platform, self.var)

    async def run(self, making: Making, order: TableOrder, heard: Callable[[str], None]) -> int:
        """Run an ingest to its end, and return its exit status; `heard` gets each line."""
        _prepare(making.place, SERVICES_ID if self.as_root else os.geteuid())
        seen = self._seen(order) if self.as_root else order
        surroundings = {**self.environment, **program.NO_HOME} if self.as_root else self.environment
        return await program.run(self.command(making, order), self.log_of(making), heard, surroundings, seen.model_dump_json().encode())

    def command(self, making: Making, order: TableOrder) -> tuple[str, ...]:
        """Return the argv of an ingest."""
        python = self.install.services_python
        ingest = (*_GENTLY, str(python), "-I", "-m", making.program, str(making.place))
        if not self.as_root:
            return ingest
        releases = (Bind(release.directory, _place(release.name)) for release in order.releases if release.directory.is_dir())
        sandbox = Sandbox(
            command=ingest,
            uid=SERVICES_ID,
            gid=SERVICES_ID,
            binds=(
                Bind.same(python.parent.parent),
                *(Bind.same(self.install.root / member) for member in _MEMBERS),
                *releases,
                Bind.same(making.place, writable=True),
            ),
            hostname=making.name,
        )
        return tuple(argv(sandbox))

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
