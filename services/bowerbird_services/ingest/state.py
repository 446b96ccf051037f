"""How the ingests beside the services go, as they tell it in a file and the services tell it at `/metrics`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bowerbird_config.ingests.keeping import MAKING

from bowerbird_services.store import sidecar

# A living one writes its file several times in this time.
_GONE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class State:
    """Whether somebody makes tables and surveys, and the sentences about what could not be made of each."""

    at_work: bool
    wrong: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def sentences(self) -> Iterator[tuple[str, str]]:
        """Yield what of, and a sentence."""
        for name, said in self.wrong.items():
            yield from ((name, each) for each in said)


class StateFile:
    """The file, for the one who writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wrong = dict(read(path).wrong)

    def tell(self, name: str, state: str, said: Sequence[str]) -> None:
        """Take note of how it goes; while something is made, what was wrong before still is."""
        if state != MAKING:
            self._wrong[name] = list(said)
            self.beat()

    def beat(self) -> None:
        """Say that somebody is at work; on a disk without room nothing is said, which is heard as well."""
        with suppress(OSError):
            sidecar.replace_json(self._path, {"wrong": self._wrong})


def read(path: Path) -> State:
    """Return what the file says; where there is none, that nobody is at work."""
    told = sidecar.read_json(path)
    try:
        age = time.time() - path.stat().st_mtime
        return State(age < _GONE_SECONDS, {name: tuple(map(str, said)) for name, said in told["wrong"].items()})
    except (OSError, KeyError, TypeError, AttributeError):
        return State(at_work=False)
