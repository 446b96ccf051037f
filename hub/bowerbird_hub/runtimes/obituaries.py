"""What became of servers that met a bad end: kept for the next page that their owner sees."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bowerbird_config.model import format_size
from bowerbird_hub.state.state_files import read_json, write_json


@dataclass(frozen=True, slots=True)
class Obituary:
    """What happened to a user's server, in words, and when."""

    server: str
    at: str
    words: str

    @property
    def news(self) -> str:
        """What the server's own page reads, to show it at once."""
        return json.dumps({"at": self.at, "words": self.words})


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


def out_of_memory(kills: int, limit_bytes: int) -> str:
    """Return what to tell somebody whose processes the kernel ended for want of memory; the lab shows 140 characters."""
    what = "a process was" if kills == 1 else f"{kills} processes were"
    return (
        f"Your server reached its memory limit of {format_size(limit_bytes)}: {what} ended. "
        "Variables are lost, files are not. Use less or a larger profile."
    )
