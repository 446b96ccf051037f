"""What the spaces use: a meter for each that is shown, remembered across restarts, and set right by scans."""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bowerbird_fuse import mount
from bowerbird_fuse.directories import Place
from bowerbird_fuse.figures import Figures
from bowerbird_fuse.meter import SCANNERS, SLOTS, Meter, Slot, Word, open_memory
from bowerbird_fuse.records import write_whole
from bowerbird_fuse.stores.space import Room, SpaceStore
from bowerbird_fuse.stores.trash import Trash
from bowerbird_fuse.tally import Tally, tally
from bowerbird_fuse.view import SpaceShown, View

log = logging.getLogger(__name__)
# A space is counted anew so often, and so long after something went wrong or was too busy to be sure.
SCAN_SECONDS = 3600.0
AGAIN_SECONDS = 20.0
_PAUSE_SECONDS = 0.005
_NICE = 15
_WORTH_TELLING = 1 << 20


@dataclass(eq=False)
class Metered:
    """One space that views show: its meter, and the slot of each view."""

    name: str
    path: Path
    fd: int
    meter: Meter
    shown: SpaceShown
    slots: dict[str, int] = field(default_factory=dict)
    due: float = 0.0
    scanned: bool = False

    @property
    def figures(self) -> Figures:
        """What it uses now."""
        return Figures(self.name, self.meter.wanted, max(0, self.meter.total(Word.TRASH)), self.shown.soft, self.shown.hard)

    def slot_of(self, user: str) -> Slot:
        """Return the slot of somebody's view, a free one at first."""
        if user not in self.slots:
            taken = set(self.slots.values())
            self.slots[user] = next((number for number in range(SCANNERS + 1, SLOTS) if number not in taken), SLOTS - 1)
            self.meter.widen(self.slots[user])
        return Slot(self.fd, self.slots[user])

    def leave(self, user: str) -> None:
        """Take over what a view counted that is gone."""
        number = self.slots.pop(user, None)
        if number is None or number in self.slots.values():
            return
        slot = Meter(self.fd, number)
        self.meter.add(slot.own(Word.USED) - slot.own(Word.HELD), trash=slot.own(Word.TRASH))
        slot.clear(Word.USED, Word.TRASH, Word.HELD)
        slot.close()

    def settle(self, found: Tally, moved: int) -> bool:
        """Set the meter right by a scan during which that much was `moved`; tell whether nothing is left to doubt."""
        used = _surely(found.used + self.meter.total(Word.HELD) - self.meter.total(Word.USED), moved)
        trash = _surely(found.trash - self.meter.total(Word.TRASH), moved)
        self.meter.add(used, trash=trash)
        if self.scanned and abs(used) > _WORTH_TELLING:
            log.warning("a scan of %s found %+d bytes that its meter had not counted", self.path, used)
        self.scanned = True
        return moved == 0

    def close(self) -> None:
        """Let go of it."""
        self.meter.close()
        os.close(self.fd)


def _surely(off: int, moved: int) -> int:
    """Return by how much a figure is off at the least, when so much was moved while it was counted."""
    return 0 if abs(off) <= moved else off - moved if off > 0 else off + moved


class Usage:
    """What all spaces use, by names such as `home/ann` and `team/survey`; what is not shown now is as it was last."""

    def __init__(self, record: Path, tops: Mapping[str, Path] | None = None) -> None:
        """Keep the figures in `record`; `tops` are the directories that spaces lie in, by the first word of their names."""
        self.record = record
        # For how long what is deleted is kept, in seconds; None as long as nobody has said it.
        self.trash: float | None = None
        self._tops = tops or {}
        self._expiry_due = 0.0
        self._lock = threading.Lock()
        self._spaces: dict[str, Metered] = {}
        self._last: dict[str, Figures] = {}
        self._written: Mapping[str, Figures] = {}

    def load(self) -> None:
        """Read what an earlier keeper wrote down."""
        with suppress(FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            known = json.loads(self.record.read_bytes())["spaces"]
            self._last = {space: Figures.from_json(figures) for space, figures in known.items()}

    def slot(self, shown: SpaceShown, path: Path, user: str) -> Slot:
        """Return the slot of somebody's view in the meter of that space, which lies at `path`."""
        space = shown.name(user)
        with self._lock:
            metered = self._spaces.get(space)
            if metered is None:
                metered = self._spaces[space] = self._open(space, path, shown)
            metered.shown = shown
            return metered.slot_of(user)

    def places(self, view: View, paths: Mapping[str, Path]) -> dict[str, Place]:
        """Return these directories of a view, its spaces with their slots."""
        spaces = {space.key: space for space in view.spaces}

        def slot(key: str, path: Path) -> Slot | None:
            return self.slot(spaces[key], path, view.user) if key in spaces else None

        return {key: Place(path, slot(key, path)) for key, path in paths.items()}

    def _open(self, space: str, path: Path, shown: SpaceShown) -> Metered:
        fd = open_memory()
        meter = Meter(fd)
        last = self._last.get(space, Figures(space, 0))
        meter.add(last.used + last.trash, trash=last.trash)
        return Metered(space, path, fd, meter, shown)

    def leave(self, user: str) -> None:
        """Take note that somebody's view is gone; a space that nobody is shown any more is let go of."""
        with self._lock:
            for space, metered in list(self._spaces.items()):
                metered.leave(user)
                if not metered.slots:
                    self._last[space] = metered.figures
                    del self._spaces[space]
                    metered.close()

    def doubt(self, user: str) -> None:
        """Count the spaces of somebody's view again soon: its worker died."""
        with self._lock:
            for metered in self._spaces.values():
                if user in metered.slots:
                    metered.due = min(metered.due, time.monotonic() + AGAIN_SECONDS)

    def figures(self) -> dict[str, Figures]:
        """Return what each space uses."""
        with self._lock:
            return self._last | {space: metered.figures for space, metered in self._spaces.items()}

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return the figures as an answer or a record says them."""
        return {space: figures.to_json() for space, figures in self.figures().items()}

    def write_down(self) -> None:
        """Write the figures to the record where they changed, and tell what limit is reached."""
        now = self.figures()
        if now == self._written:
            return
        for space, figures in now.items():
            before = self._written.get(space)
            if figures.level > (before.level if before else 0):
                log.warning("the space %s has reached %d %%: %s", space, figures.level, figures.words)
        write_whole(self.record, {"spaces": self.to_json()})
        self._written = now

    # Scans.

    def scan_due(self) -> bool:
        """Count one space whose turn it is; tell whether there was one. Runs beside all else, and takes its time."""
        with self._lock:
            due = min(self._spaces.items(), key=lambda item: item[1].due, default=None)
            if due is None or due[1].due > time.monotonic():
                return False
            space, metered = due
            metered.due = time.monotonic() + SCAN_SECONDS
            memory, path, seconds = os.dup(metered.fd), metered.path, metered.shown.trash
        try:
            found, moved = _count(path, memory, seconds)
        except OSError as error:
            log.warning("the space %s could not be counted: %s", space, error)
            return True
        finally:
            os.close(memory)
        with self._lock:
            if self._spaces.get(space) is metered and not metered.settle(found, metered.meter.total(Word.MOVED) - moved):
                metered.due = time.monotonic() + AGAIN_SECONDS
        return True

    def expire_due(self) -> bool:
        """Empty the trash of spaces that no view shows now, when it is time; tell whether it was."""
        if self.trash is None or self._expiry_due > time.monotonic():
            return False
        self._expiry_due = time.monotonic() + SCAN_SECONDS
        for space, path in self._unshown():
            try:
                freed = _expire(path, self.trash)
            except OSError as error:
                log.warning("the trash of %s could not be emptied: %s", space, error)
                continue
            with self._lock:
                if freed and space in self._last:
                    last = self._last[space]
                    self._last[space] = replace(last, trash=max(0, last.trash - freed))
        return True

    def _unshown(self) -> list[tuple[str, Path]]:
        found = [(f"{kind}/{path.name}", path) for kind, top in self._tops.items() for path in _folders(top)]
        with self._lock:
            return [(space, path) for space, path in found if space not in self._spaces]


def _folders(top: Path) -> list[Path]:
    try:
        return [path for path in top.iterdir() if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return []


def _expire(path: Path, seconds: float) -> int:
    """Empty a space's trash of what lies there for longer; return how many bytes of charge that was."""
    memory = open_memory()
    room = Room(Meter(memory))
    store = SpaceStore(mount.directory(path), room)
    try:
        Trash(store, "", on=False).expire(seconds)
        return -room.meter.total(Word.TRASH)
    finally:
        store.close()
        room.meter.close()
        os.close(memory)


def _count(path: Path, memory: int, seconds: float) -> tuple[Tally, int]:
    """Empty a space's trash of what lies there for longer, and count the rest; return what was moved before that, too."""
    room = Room(Meter(memory, SCANNERS))
    store = SpaceStore(mount.directory(path), room)
    try:
        Trash(store, "", on=False).expire(seconds)
        moved = room.meter.total(Word.MOVED)
        return tally(store.root, _PAUSE_SECONDS), moved
    finally:
        store.close()
        room.meter.close()


class Scanner(threading.Thread):
    """Counts the spaces, one after the other, with the lowest priority."""

    def __init__(self, usage: Usage) -> None:
        super().__init__(name="scanner", daemon=True)
        self._usage = usage
        self._stopped = threading.Event()

    def run(self) -> None:
        """Count until `stop`."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._stopped.is_set():
            try:
                again = self._usage.scan_due() or self._usage.expire_due()
            except Exception:  # the next scan may do better, and without scans the figures still hold
                log.exception("a scan failed")
                again = False
            if not again:
                self._stopped.wait(0.5)

    def stop(self) -> None:
        """Count no more."""
        self._stopped.set()
