"""What became of servers that met a bad end: kept for the next page that their owner sees."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bowerbird_hub.state.state_files import read_json, write_json


@dataclass(frozen=True, slots=True)
class Obituary:
    """What happened to a user's server, in words, and when."""

    server: str
    at: str
    words: str


class Obituaries:
    """The last of each server, in one small file that outlives the hub."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, user: str) -> list[Obituary]:
        """Return what the user has to be told."""
        kept = read_json(self._path).get(user, {})
        return [Obituary(**entry) for entry in kept.values()]

    def write(self, user: str, server: str, words: str) -> Obituary:
        """Keep words about a server until it starts again."""
        entry = Obituary(server, datetime.now(UTC).isoformat(timespec="seconds"), words)
        known = read_json(self._path)
        write_json(self._path, {**known, user: {**known.get(user, {}), server: asdict(entry)}})
        return entry

    def forget(self, user: str, server: str) -> None:
        """Drop what was kept about a server."""
        known = read_json(self._path)
        if server in known.get(user, {}):
            left = {name: entry for name, entry in known[user].items() if name != server}
            write_json(self._path, {**{name: kept for name, kept in known.items() if name != user}, **({user: left} if left else {})})
