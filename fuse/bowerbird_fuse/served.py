"""One mounted view: its device, its worker, and the next worker where this one died or has to be replaced."""

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from bowerbird_config.identity import IdentityRecord

from bowerbird_fuse import mount, wire
from bowerbird_fuse.directories import Place
from bowerbird_fuse.inheritance import Inheritance
from bowerbird_fuse.launch import Answered, Said, Worker
from bowerbird_fuse.orders import Order
from bowerbird_fuse.records import MountRecord, Records, kept_as
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.staff import Staff
from bowerbird_fuse.view import View, lost

log = logging.getLogger(__name__)

# A worker that does not end in this time when asked is killed: the kernel asks its requests again.
PATIENCE_SECONDS = 1.0
# A worker that is not ready in this time is given up.
START_SECONDS = 15.0
# Who served so long did not die of its first request.
STEADY_SECONDS = 2.0
# After so many workers that died before they served, the mount itself is taken for the reason.
HOPELESS_DEATHS = 3
MOST_STACKED = 8
# How often a mount is asked whether it answers, and how long it may take.
ASK_SECONDS = 15.0
SILENCE_SECONDS = 30.0
# Between a death and the next start, by the number of deaths in a row.
BACK_OFF_SECONDS = (0.0, 0.1, 0.5, 2.0, 5.0)


class Phase(StrEnum):
    """How far a worker is."""

    STARTING = "starting"
    STANDBY = "standby"
    GOING = "going"
    SERVING = "serving"
    ENDING = "ending"


@dataclass(eq=False)
class ServedView:
    """One mounted view. All of it belongs to the keeper's main thread; `now` is the monotonic clock."""

    path: Path
    records: Records
    staff: Staff
    identity: IdentityRecord
    device: mount.Device
    remains: Remains
    view: View
    places: dict[str, Place]
    since: float = field(default_factory=time.time)
    current: Worker | None = None
    following: Worker | None = None
    phase: Phase = Phase.STARTING
    answered: bool = False
    answered_at: float = 0.0
    asked: float | None = None
    deaths: int = 0
    restarts: int = 0
    unserved: int = 0
    served: float | None = None
    abandoned: bool = False
    due: float | None = None
    waiting: list[Order] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        path: Path,
        records: Records,
        staff: Staff,
        identity: IdentityRecord,
        shown: tuple[View, dict[str, Place]],
    ) -> "ServedView":
        """Mount it, on top of a dead mount where one is there, and start its worker."""
        make_mount_point(path)
        remains = Remains.make(identity.name)
        try:
            device = mount.open_device(path)
        except OSError:
            remains.close()
            raise
        served = cls(path, records, staff, identity, device, remains, *shown)
        served._keep()
        try:
            served.start()
        except OSError:
            served.end()
            raise
        return served

    @classmethod
    def take_over(
        cls,
        path: Path,
        records: Records,
        staff: Staff,
        left: tuple[MountRecord, Inheritance],
        shown: tuple[View, dict[str, Place]],
    ) -> "ServedView":
        """Go on with the mount of an earlier keeper: the worker of now, if it lives, serves until the next is ready."""
        record, inheritance = left
        served = cls(path, records, staff, record.record, inheritance.device, inheritance.remains, *shown)
        served._keep()
        if inheritance.process is not None:
            served.current = Worker(inheritance.process, record.device, record.remains)
            served.current.watch(staff.tell)
        try:
            served.start()
        except OSError:
            log.exception("a worker for %s could not be started; it is tried again", served.user)
        return served

    def _keep(self) -> None:
        """Have the descriptors kept for the next keeper."""
        self.records.held.put(kept_as(self.user, self.device.connection), (self.device.fd, *self.remains.fds))

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.identity.name

    @property
    def healthy(self) -> bool:
        """Tell whether it answers."""
        return self.answered and self.phase is Phase.SERVING

    def to_json(self) -> dict[str, object]:
        """Return what `status` says of it."""
        worker = self.current or self.following
        return {
            "user": self.user,
            "path": str(self.path),
            "worker_pid": worker.process.pid if worker else None,
            "healthy": self.healthy,
            "restarts": self.restarts,
            "since": datetime.fromtimestamp(self.since, UTC).isoformat(timespec="seconds"),
            "trouble": next(filter(None, (one.trouble(time.monotonic()) for one in (self.current, self.following) if one)), None),
        }

    # Workers, one after the other.

    def start(self) -> None:
        """Start the worker that follows; the one of now serves on until it is ready."""
        self.due = time.monotonic() + START_SECONDS
        worker = self.staff.worker()
        self.following, self.phase = worker, Phase.STARTING
        try:
            worker.mount(self.device.fd, self.remains)
        except OSError:
            worker.kill()
        self._tell(worker)

    def show(self, identity: IdentityRecord, view: View, places: dict[str, Place]) -> None:
        """Show another view; a worker that held a right which is lost is replaced, so that it holds it no more."""
        old, self.identity, self.view, self.places = self.view, identity, view, places
        gone = lost(old, view)
        if self.following is not None:
            self._tell(self.following)
            if self.following.groups != view.groups:
                self.following.kill()
        if self.current is not None:
            regrouped = self.current.groups != view.groups
            # What is gained with a group the worker of now could not serve: the next one shows it.
            if gone or not regrouped:
                self._tell(self.current)
            if self.following is None and (gone or regrouped):
                self.start()

    def _tell(self, worker: Worker) -> None:
        try:
            worker.show(self.view, self.places)
        except OSError as error:
            log.warning(
                "worker %d of %s does not listen (%s), or a directory cannot be opened: it is ended", worker.process.pid, self.user, error
            )
            worker.kill()

    def heard(self, said: Said) -> None:
        """Take what a worker says; one that speaks out of turn is not heard."""
        if said.worker is self.following and isinstance(said.message, wire.Standby) and self.phase is Phase.STARTING:
            self.phase = Phase.STANDBY
            # From here on either of the two holds what a next keeper needs.
            self._record(said.worker)
            self._replace()
        elif said.worker is self.current and isinstance(said.message, wire.Serving) and self.phase is Phase.GOING:
            self.phase, self.due, self.served = Phase.SERVING, None, time.monotonic()
            log.info("worker %d serves the view of %s", said.worker.process.pid, self.user)
            self.device.read_further_ahead()
            self._ask()

    def _replace(self) -> None:
        if self.current is not None:
            self.current.process.send(signal.SIGTERM)
            self.due = time.monotonic() + PATIENCE_SECONDS
            return
        self.current, self.following, self.phase = self.following, None, Phase.GOING
        self.due = time.monotonic() + START_SECONDS
        if self.current is not None:
            try:
                self.current.go(self.device.init)
            except OSError:
                self.current.kill()

    def ended(self, worker: Worker) -> None:
        """Take note of a worker's end, and go on with the next."""
        if worker is self.current:
            self.current = None
            # Calls that it had taken would wait for ever in this mount: the next worker gets another one.
            self.abandoned = not self.device.asks_again and worker.left_calls and self.device.is_asked
            if self.following is None:
                self.phase, self.answered = Phase.STARTING, False
                self._died(worker)
            elif self.abandoned:
                self.following.kill()
            elif self.phase is Phase.STANDBY:
                self._replace()
        elif worker is self.following:
            self.following = None
            self._died(worker)

    def _died(self, worker: Worker) -> None:
        if self.phase is Phase.ENDING:
            return
        if self.served is not None and time.monotonic() - self.served > STEADY_SECONDS:
            self.deaths = 0
        self.unserved = 0 if self.served is not None else self.unserved + 1
        self.served = None
        pause = BACK_OFF_SECONDS[min(self.deaths, len(BACK_OFF_SECONDS) - 1)]
        self.deaths += 1
        self.restarts += 1
        log.warning("worker %d of %s died; the next one starts in %.1f s", worker.process.pid, self.user, pause)
        self.due = time.monotonic() + pause
        if self.unserved >= HOPELESS_DEATHS:
            often = f"its worker died {self.unserved} times before it served"
            self._refuse(f"the view of {self.user} cannot be served: {often}; the keeper's log says why")

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._look_after(now)
        if self.due is None or now < self.due:
            return
        self.due = None
        if self.following is None and self.current is None:
            # Should the mount or the start fail, it is tried again.
            self.due = now + BACK_OFF_SECONDS[-1]
            unmounted = not any(point.connection == self.device.connection for point in mount.mounted(self.path))
            if unmounted or self.abandoned or self.unserved >= HOPELESS_DEATHS:
                self._mount_anew()
            self.start()
        elif self.phase is Phase.STANDBY and self.current is not None:
            self.current.kill()
        elif self.phase is Phase.STARTING and self.following is not None:
            self.following.kill()
        elif self.phase is Phase.GOING and self.current is not None:
            self.current.kill()
        elif self.following is None and self.phase is not Phase.SERVING:
            self.start()

    def _mount_anew(self) -> None:
        """Give up the mount and all that waits in it, and mount a new one on top, which running servers see.

        The dead one stays below until the view ends: servers bound it to their /data, so there the new one hangs on it and
        would go with it.
        """
        log.error("the mount of %s is given up: its open files are lost, a new one takes its place", self.user)
        if len(mount.mounted(self.path)) >= MOST_STACKED:
            mount.detach_all(self.path)
        self.device.abort(self.path)
        old, self.device = self.device, mount.open_device(self.path)
        self.unserved, self.abandoned = 0, False
        self.remains = self.remains.forget()
        self._keep()
        self._let_go(old)

    def _let_go(self, device: mount.Device) -> None:
        """Let go of a mount: with the last duplicate of its descriptor every call that waits in it ends."""
        self.records.held.drop(kept_as(self.user, device.connection))
        os.close(device.fd)

    # Whether it answers.

    def _look_after(self, now: float) -> None:
        """Ask the mount now and then; a worker that serves and does not answer for long is ended."""
        if self.phase is not Phase.SERVING or self.current is None:
            return
        if self.asked is None:
            if now - self.answered_at > ASK_SECONDS:
                self._ask()
        elif now - self.asked > SILENCE_SECONDS:
            log.error("worker %d of %s has not answered for %.0f s: it is ended", self.current.process.pid, self.user, SILENCE_SECONDS)
            self.asked = None
            self.current.kill()

    def _ask(self) -> None:
        self.asked = time.monotonic()
        threading.Thread(target=self._stat, name=f"stat {self.user}", daemon=True).start()

    def _stat(self) -> None:
        # It may hang for as long as the worker does, so it has a thread of its own and holds nothing open.
        try:
            os.stat(self.path)
        except OSError:
            self.staff.tell(Answered(self.user, ok=False))
        else:
            self.staff.tell(Answered(self.user, ok=True))

    def answer(self, ok: bool) -> None:
        """Take note whether the mount answered, and tell those who wait for it."""
        self.answered, self.asked, self.answered_at = ok, None, time.monotonic()
        if not ok:
            self._refuse(f"the view of {self.user} is mounted and does not answer")
        while self.waiting:
            self.waiting.pop().done(path=str(self.path))

    def _refuse(self, sentence: str) -> None:
        while self.waiting:
            self.waiting.pop().refuse(sentence)

    def _record(self, worker: Worker) -> None:
        process, device = worker.process, self.device
        self.records.write(
            MountRecord(
                self.user,
                self.identity.to_json(),
                device.init.hex(),
                device.connection,
                process.pid,
                process.ticks,
                worker.device,
                worker.remains[0],
                worker.remains[1:],
            )
        )

    def end(self) -> None:
        """Unmount it, whoever holds files of it, and end its workers; waits for them."""
        self.phase = Phase.ENDING
        self._refuse(f"the view of {self.user} was unmounted")
        mount.detach_all(self.path)
        for worker in (self.current, self.following):
            if worker is not None:
                worker.process.end(PATIENCE_SECONDS)
        self._let_go(self.device)
        self.remains.close()
        self.records.remove(self.user)
        self.path.rmdir()


def make_mount_point(path: Path) -> None:
    """Make the directory of a mount; one with a dead mount on it is there, and cannot be asked."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
