"""The board: what the supervisor shows on the terminal, writes to its log and tells `status`."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bowerbird_config.paths import Var
from bowerbird_config.room import is_full
from bowerbird_hub.state import layout
from bowerbird_hub.state.kept_room import read_newest, write_always
from bowerbird_hub.supervision.supervisor import Phase, Watch
from bowerbird_hub.supervision.table import Display, Row


@dataclass
class Journal:
    """A display that appends to the supervisor's log, each line with its time."""

    path: Path
    _last: dict[str, Row] = field(default_factory=dict)

    def show(self, row: Row) -> None:
        """Write a row that says something new."""
        if self._last.get(row.name) != row:
            self._last[row.name] = row
            self.say(f"{row.name} {row.state} {row.rest}".rstrip())

    def say(self, text: str) -> None:
        """Write a sentence."""
        with self.path.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {text}\n")


def state_path(var: Var) -> Path:
    """Return the file in which a supervisor tells what it does."""
    return var.run / "supervisor.json"


def told(var: Var) -> dict[str, Any]:
    """Return what the last supervisor has told."""
    return read_newest(state_path(var))


def told_by_holder(var: Var) -> dict[str, Any]:
    """Return what the process that holds the state directory has told; nothing where it is of one that was killed."""
    holder, found = layout.holder(var), told(var)
    return found if holder and found.get("holder") == asdict(holder) else {}


class Board:
    """Everything that is said about a platform, in the three places where it is read."""

    def __init__(self, var: Var, displays: list[Display]) -> None:
        self._var = var
        self._displays = displays
        self._facts: dict[str, Any] = {}
        self._parts: dict[str, dict[str, Any]] = {}
        self._made: dict[str, dict[str, str]] = {}

    def only(self, display: Display) -> None:
        """Show on that display alone from now on."""
        self._displays = [display]

    def tell(self, **facts: Any) -> None:
        """Tell `status` more."""
        self._facts |= facts
        self._publish()

    def watch(self, watch: Watch) -> None:
        """Show a part as it is now."""
        self._parts[watch.part.name] = watch.to_json()
        self._publish()
        self.show(Row(watch.part.name, watch.phase.value, watch.message))

    def row(self, name: str, state: Phase | str, rest: str = "") -> None:
        """Show a row that is not a part's."""
        self.show(Row(name, str(state), rest))

    def made(self, name: str, state: str, rest: str = "") -> None:
        """Show how the making of something goes, and tell `status`."""
        self._made[name] = {"name": name, "state": state, "message": rest}
        self._publish()
        self.row(name, state, rest)

    def show(self, row: Row) -> None:
        """Show a row everywhere."""
        self._each(lambda display: display.show(row))

    def say(self, text: str) -> None:
        """Show a sentence everywhere."""
        self._each(lambda display: display.say(text))

    def _each(self, act: Callable[[Display], None]) -> None:
        for display in list(self._displays):
            try:
                act(display)
            except OSError as error:
                # A terminal that was closed takes away what is shown, and a full disk does while it is full; neither what runs.
                if not is_full(error):
                    self._displays.remove(display)

    def _publish(self) -> None:
        with suppress(OSError):
            write_always(state_path(self._var), {**self._facts, "parts": list(self._parts.values()), "made": list(self._made.values())})
