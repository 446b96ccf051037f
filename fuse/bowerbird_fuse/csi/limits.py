"""Limits of a pod that Kubernetes has no words for: its processes; and which of them were ended for want of memory.

Both are in the pod's control groups, which kubelet makes soon before or after it asks for the pod's volume, and names by the pod's uid.
Where a node has version 2, it ends a whole container for want of memory by default; that the cluster tells itself.
"""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from bowerbird_config.pods import LIMITS

from bowerbird_fuse.csi.contents import Contents
from bowerbird_fuse.csi.volumes import Book, Volume, file_name

log = logging.getLogger(__name__)


class Groups:
    """The control groups of a node's pods: a tree for each controller in version 1, one for all in version 2."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._found: dict[tuple[str, str], Path] = {}

    def limit_processes(self, uid: str, count: int) -> bool:
        """Let a pod have so many processes and threads at once; False where its group is not there."""
        group = self._group("pids", uid)
        if group is None:
            return False
        file = group / "pids.max"
        if file.read_text(encoding="ascii").strip() != str(count):
            file.write_text(str(count), encoding="ascii")
        return True

    def memory_kills(self, uid: str) -> int:
        """Return how many processes of a pod's containers, as they are now, the kernel has ended one by one for want of memory."""
        group = self._group("memory", uid)
        return 0 if group is None else sum(map(_kills, _counters(group)))

    def keep_only(self, uids: set[str]) -> None:
        """Forget all other pods."""
        self._found = {key: path for key, path in self._found.items() if key[1] in uids}

    def _group(self, controller: str, uid: str) -> Path | None:
        known = self._found.get((controller, uid))
        if known is not None and known.is_dir():
            return known
        own = self._top / controller
        tree = own if own.is_dir() else self._top
        # As systemd writes it, or as it is.
        names = {f"pod{uid}", *(f"kubepods{kind}-pod{uid.replace('-', '_')}.slice" for kind in ("", "-burstable", "-besteffort"))}
        found = next((path for path in tree.rglob("*pod*") if path.name in names), None)
        if found is not None:
            self._found[controller, uid] = found
        return found


def _counters(group: Path) -> Iterator[Path]:
    if (group / "memory.events").exists():
        yield group / "memory.events"  # it counts for all below
    else:
        yield from group.rglob("memory.oom_control")


def _kills(file: Path) -> int:
    try:
        counts = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
    except OSError:  # its container has ended
        return 0
    return 0 if int(counts.get("oom_group_kill", 0)) else int(counts.get("oom_kill", 0))


class Limits:
    """Keeps them for all pods whose volume says which they have."""

    def __init__(self, groups: Groups, book: Book, contents: Contents, killed: Callable[[Volume, int], None]) -> None:
        """`killed` hears how many processes of a volume's pod were ended, each time that changes, and once from each new plugin."""
        self._groups = groups
        self._book = book
        self._contents = contents
        self._killed = killed
        self._told: dict[str, int] = {}
        self._missing: set[str] = set()

    def look(self) -> None:
        """Look after every pod that has a volume: to be called every second."""
        volumes = self._book.all()
        uids = {volume.pod.uid for volume in volumes}
        self._groups.keep_only(uids)
        self._missing &= uids
        self._told = {uid: kills for uid, kills in self._told.items() if uid in uids}
        for volume in volumes:
            text = self._contents.read(file_name(volume.volume), LIMITS)
            if text is not None:
                self._keep(volume, json.loads(text)["processes"])

    def _keep(self, volume: Volume, processes: int) -> None:
        uid = volume.pod.uid
        trouble = self._trouble(uid, processes)
        if trouble and uid not in self._missing:
            self._missing.add(uid)
            log.warning("the processes of pod %s are not limited yet: %s", volume.pod, trouble)
        kills = self._groups.memory_kills(uid)
        if kills != self._told.get(uid, 0):
            self._told[uid] = kills
            self._killed(volume, kills)

    def _trouble(self, uid: str, processes: int) -> str:
        try:
            return "" if self._groups.limit_processes(uid, processes) else "it has no control group"
        except OSError as error:
            return str(error)
