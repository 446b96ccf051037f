"""Limits of a pod that Kubernetes has no words for: its processes; and which of them were ended for want of memory.

Both are in the pod's control groups, which kubelet makes soon before or after it asks for the pod's volume, and names by the pod's uid.
Where a node has version 2, it ends a whole container for want of memory by default; that the cluster tells itself.
"""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bowerbird_config import control_groups
from bowerbird_config.pods import LIMITS

from bowerbird_fuse.csi.contents import Contents
from bowerbird_fuse.csi.volumes import Book, Volume, file_name

log = logging.getLogger(__name__)
# As systemd writes it below whichever root kubelet has, or as it is.
_POD = re.compile(r"(?:.*-)?pod([0-9a-f_-]{32,36})(?:\.slice)?")
_MOST_SECONDS = 64
_NOBODY_HEARD = -1
# Hears how many processes of a volume's pod were ended, and calls the function where nobody could be told.
Killed = Callable[[Volume, int, Callable[[], None]], None]


class Groups:
    """The control groups of a node's pods: a tree for each controller in version 1, one for all in version 2."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._found: dict[tuple[Path, str], Path] = {}
        self._looks: dict[str, int] = {}

    def find(self, uids: set[str]) -> None:
        """Find the groups of those pods, and forget all others: to be called every second, as a pod is looked for ever less often."""
        self._found = {key: path for key, path in self._found.items() if key[1] in uids and path.is_dir()}
        trees = {self._tree("pids"), self._tree("memory")}
        missing = {uid for uid in uids if any((tree, uid) not in self._found for tree in trees)}
        self._looks = {uid: self._looks.get(uid, 0) + 1 for uid in missing}
        if any(looks & (looks - 1) == 0 or looks % _MOST_SECONDS == 0 for looks in self._looks.values()):
            self._found |= {(tree, uid): path for tree in trees for uid, path in _pods(tree) if uid in missing}

    def limit_processes(self, uid: str, count: int) -> bool:
        """Let a pod have no more processes and threads at once; False where its group is not there."""
        group = self._group("pids", uid)
        if group is None:
            return False
        file = group / "pids.max"
        most = file.read_text(encoding="ascii").strip()
        # The node's own limit may be lower, and stays.
        if most == "max" or int(most) > count:
            file.write_text(str(count), encoding="ascii")
        return True

    def memory_kills(self, uid: str) -> int:
        """Return how many processes of a pod's containers, as they are now, the kernel has ended one by one for want of memory."""
        group = self._group("memory", uid)
        return 0 if group is None else sum(map(_kills, _counters(group)))

    def _tree(self, controller: str) -> Path:
        own = self._top / controller
        return own if own.is_dir() else self._top

    def _group(self, controller: str, uid: str) -> Path | None:
        return self._found.get((self._tree(controller), uid))


def _pods(tree: Path) -> Iterator[tuple[str, Path]]:
    """Yield the uid and the group of each pod, and look into none."""
    for place, names, _files in os.walk(tree):
        found = {name: match[1].replace("_", "-") for name in names if (match := _POD.fullmatch(name))}
        names[:] = [name for name in names if name not in found]
        yield from ((uid, Path(place, name)) for name, uid in found.items())


def _counters(group: Path) -> Iterator[Path]:
    if (group / "memory.events").exists():
        yield group / "memory.events"  # it counts for all below
    else:
        yield from group.rglob("memory.oom_control")


def _kills(file: Path) -> int:
    try:
        return control_groups.memory_kills(file.read_text(encoding="ascii"))
    except OSError:  # its container has ended
        return 0


def _processes(text: str) -> int:
    """Return how many processes the hub lets a pod have; ValueError where it says something else."""
    told = json.loads(text)
    count = told.get("processes") if isinstance(told, dict) else None
    if type(count) is not int or count <= 0:
        raise ValueError(f"{LIMITS} names no number of processes")
    return count


class Limits:
    """Keeps them for all pods whose volume says which they have."""

    def __init__(self, groups: Groups, book: Book, contents: Contents, killed: Killed) -> None:
        """`killed` hears how many processes of a volume's pod were ended, each time that changes, and once from each new plugin."""
        self._groups = groups
        self._book = book
        self._contents = contents
        self._killed = killed
        self._told: dict[str, int] = {}
        self._unlimited: set[str] = set()

    @property
    def unlimited(self) -> int:
        """How many pods have no limit of their processes, and should."""
        return len(self._unlimited)

    def look(self) -> None:
        """Look after every pod that has a volume: to be called every second."""
        volumes = self._book.all()
        uids = {volume.pod.uid for volume in volumes}
        self._groups.find(uids)
        self._unlimited &= uids
        for uid in set(self._told) - uids:
            del self._told[uid]
        for volume in volumes:
            text = self._contents.read(file_name(volume.volume), LIMITS)
            if text is not None:
                self._limit(volume, text)
                with suppress(OSError):  # it ends
                    self._count(volume)

    def _limit(self, volume: Volume, text: str) -> None:
        uid = volume.pod.uid
        trouble = self._trouble(uid, text)
        if not trouble:
            self._unlimited.discard(uid)
        elif uid not in self._unlimited:
            self._unlimited.add(uid)
            log.warning("the processes of pod %s are not limited yet: %s", volume.pod, trouble)

    def _trouble(self, uid: str, text: str) -> str:
        try:
            return "" if self._groups.limit_processes(uid, _processes(text)) else "it has no control group"
        except (OSError, ValueError) as error:
            return str(error)

    def _count(self, volume: Volume) -> None:
        uid = volume.pod.uid
        kills = self._groups.memory_kills(uid)
        if kills != self._told.get(uid, 0):
            self._told[uid] = kills
            self._killed(volume, kills, lambda: self._told.update({uid: _NOBODY_HEARD}))
