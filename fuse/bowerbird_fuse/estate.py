"""What an earlier keeper left: mounts, each taken over with the worker that serves it, or unmounted."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bowerbird_config.identity import IdentityRecord

from bowerbird_fuse import mount
from bowerbird_fuse.directories import Place
from bowerbird_fuse.inheritance import inherit
from bowerbird_fuse.orders import Refused
from bowerbird_fuse.processes import Process
from bowerbird_fuse.records import MountRecord, Records
from bowerbird_fuse.served import PATIENCE_SECONDS, ServedView
from bowerbird_fuse.staff import Staff
from bowerbird_fuse.view import View

log = logging.getLogger(__name__)


class Heir(Protocol):
    """The keeper that takes over."""

    identities: dict[str, IdentityRecord]
    views: dict[str, ServedView]

    @property
    def clock(self) -> Callable[[], datetime]:
        """The wall clock that decisions are made by."""

    def shown(self, record: IdentityRecord, now: datetime) -> tuple[View, dict[str, Place]]:
        """Return the view of that identity; Refused or OSError where there can be none."""

    def make(self, record: IdentityRecord) -> ServedView:
        """Mount the view of that identity anew."""


@dataclass
class Estate:
    """The mounts in the directory `views` that nobody has taken over yet."""

    views: Path
    records: Records
    staff: Staff
    left: list[MountRecord] = field(default_factory=list)

    def read(self) -> None:
        """Read what the earlier keeper wrote down, and have the holder keep no more than that."""
        self.left = list(self.records.all())
        self.records.held.keep_only(self.kept)

    @property
    def kept(self) -> set[str]:
        """The names that the holder knows them by."""
        return {record.kept_as for record in self.left}

    def pass_to(self, heir: Heir) -> None:
        """Have the heir take over each of them; what it cannot is unmounted."""
        left, self.left = self.left, []
        for record in left:
            try:
                self._take_over(record, heir)
            except (OSError, Refused, ValueError, KeyError, TypeError) as error:
                log.warning("the view of %s cannot be taken over (%s): it is unmounted", record.user, error)
                self._give_up(record)

    def _take_over(self, record: MountRecord, heir: Heir) -> None:
        path = self.views / record.user
        if not any(point.connection == record.connection for point in mount.mounted(path)):
            raise Refused("it is mounted no more")
        identity = record.record
        heir.identities.setdefault(identity.name, identity)
        left = inherit(record, self.records)
        if left is None:
            log.warning("nothing is left to serve the view of %s by: a new one is mounted on top of it", record.user)
            heir.make(identity)
            return
        with contextlib.ExitStack() as unless_taken:
            unless_taken.callback(left.close)
            shown = heir.shown(identity, heir.clock())
            unless_taken.pop_all()
        heir.views[identity.name] = ServedView.take_over(path, self.records, self.staff, (record, left), shown)
        log.info("took over the view of %s", record.user)

    def sweep(self, heir: Heir) -> None:
        """Take away mounts that nobody wrote down."""
        ours = {view.path for view in heir.views.values()} | {self.views / record.user for record in self.left}
        for point in list(mount.mount_points()):
            if point.path.parent == self.views and point.path not in ours:
                log.warning("%s is mounted and belongs to nobody: it is unmounted", point.path)
                mount.detach(point.path)

    def give_up(self) -> None:
        """Leave nothing of them."""
        for record in self.left:
            self._give_up(record)

    def _give_up(self, record: MountRecord) -> None:
        self.records.remove(record.user)
        self.records.held.drop(record.kept_as)
        with contextlib.suppress(OSError):
            mount.detach_all(self.views / record.user)
        process = Process.find(record.pid, record.ticks)
        if process is not None:
            process.end(PATIENCE_SECONDS)
            process.close()
