"""The keeper: mounts views and decides what each shows. Root, and the only part of the file system that is.

One thread has all the state: it takes events off a queue, in the order in which they came. Feed, orders and watchers of
workers only put events there. Nothing that this thread does waits for a worker.
"""

import argparse
import logging
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

from bowerbird_config.access import next_change
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform

from bowerbird_fuse import directories, mount, privileges
from bowerbird_fuse.directories import Place
from bowerbird_fuse.estate import Estate
from bowerbird_fuse.feed import Feed, IdentityGone, IdentityIs, News, PlatformIs, Synced, last_platform
from bowerbird_fuse.grants import view_for
from bowerbird_fuse.held import Held
from bowerbird_fuse.launch import Answered, Ended, Said
from bowerbird_fuse.orders import Order, Orders, Refused
from bowerbird_fuse.records import Records
from bowerbird_fuse.served import PATIENCE_SECONDS, ServedView
from bowerbird_fuse.staff import Staff
from bowerbird_fuse.turn import Turn, alone
from bowerbird_fuse.usage import Scanner, Usage
from bowerbird_fuse.view import HOME, View

log = logging.getLogger("bowerbird_fuse.keeper")
# How long an order waits for the hub to say who somebody is.
IDENTITY_SECONDS = 5.0
# What came without an event is noticed within this time: a clock that was set, a directory that was put there.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    """End; what is mounted is unmounted, or left to the next keeper with the workers that serve it, or without them."""

    leave: bool = False
    end_workers: bool = False


Event = News | Order | Said | Ended | Answered | Stop


@dataclass
class Keeper:
    """All views of one platform; `clock` is the wall clock that decisions are made by."""

    var: Var
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    platform: Platform | None = None
    identities: dict[str, IdentityRecord] = field(default_factory=dict)
    views: dict[str, ServedView] = field(default_factory=dict)
    events: "queue.SimpleQueue[Event]" = field(default_factory=queue.SimpleQueue)
    usage: Usage = field(init=False)
    _early: list[tuple[float, Order]] = field(default_factory=list)
    _next_change: datetime | None = None
    _next_look: float = 0.0
    _troubles: dict[str, Mapping[str, str]] = field(default_factory=dict)
    records: Records = field(init=False)
    staff: Staff = field(init=False)
    estate: Estate = field(init=False)

    def __post_init__(self) -> None:
        self.records = Records(self.var.run / "keeper", Held(self.var.holder_socket))
        self.staff = Staff(self.events.put, lambda: bool(self.views))
        self.estate = Estate(self.var.views, self.records, self.staff)
        self.usage = Usage(self.var.usage, {HOME: self.var.homes, "team": self.var.spaces})

    def prepare(self) -> None:
        """Make the directories of mounts, and take over what an earlier keeper left."""
        self.var.views.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.records.directory.mkdir(mode=0o700, exist_ok=True)
        self.usage.record.parent.mkdir(exist_ok=True)
        self.usage.load()
        mount.share(self.var.views)
        self.platform = self.platform or last_platform(self.var.platform)
        self.estate.read()
        if self.platform is not None:  # Before one is known the workers serve on as they are.
            self.estate.pass_to(self)
        self.estate.sweep(self)

    def run(self) -> Stop:
        """Work until `Stop`, which is returned, then leave nothing mounted, unless it says so."""
        while True:
            try:
                event = self.events.get(timeout=self._patience())
            except queue.Empty:
                event = None
            if isinstance(event, Stop):
                break
            for step in (partial(self._take, event), self._tick):
                try:
                    step()
                except Exception:  # one view's trouble must not end the others: the next event is taken all the same
                    log.exception("an event could not be dealt with")
        self.staff.end()
        if not event.leave:
            self._end()
        return event

    def _patience(self) -> float:
        dues = [view.due for view in self.views.values() if view.due is not None] + [due for due, _ in self._early]
        waits = [self._next_look - time.monotonic(), *(due - time.monotonic() for due in dues)]
        if self._next_change is not None:
            waits.append((self._next_change - self.clock()).total_seconds())
        return max(0.0, min(waits))

    def _take(self, event: Event | None) -> None:
        match event:
            case PlatformIs() | IdentityIs() | IdentityGone() | Synced():
                self._learn(event)
                self._next_look = 0.0
            case Order():
                self._obey(event)
            case Said() | Ended():
                self._hear(event)
            case Answered(user=user, ok=ok) if user in self.views:
                self.views[user].answer(ok)

    def _hear(self, event: Said | Ended) -> None:
        view = next((view for view in self.views.values() if event.worker in (view.current, view.following)), None)
        if isinstance(event, Ended):
            if view is not None:
                view.ended(event.worker)
                self.usage.doubt(view.user)
            self.staff.ended(event.worker)
            event.worker.close()
        elif view is not None:
            view.heard(event)

    def _tick(self) -> None:
        for view in list(self.views.values()):
            try:
                view.tick(time.monotonic())
            except Exception:  # what is wrong with one view must not stop the others
                log.exception("the view of %s could not be looked after", view.user)
        for due, order in list(self._early):
            if due <= time.monotonic():
                self._early.remove((due, order))
                order.refuse(f"the hub has not said who {order.user!r} is: is it running?")
        now = time.monotonic()
        self.staff.tick(now)
        changed = self._next_change is not None and self._next_change <= self.clock()
        # Of a burst of news only the last state is shown.
        if changed or (now >= self._next_look and self.events.empty()):
            self._next_look = now + LOOK_SECONDS
            if self.platform is None:  # the hub has still to say it
                return
            self.records.held.tend(self.estate.kept)
            self._refresh(self.platform)
            self.usage.write_down()

    # What is known.

    def _learn(self, news: News) -> None:
        match news:
            case PlatformIs(platform):
                self.platform = platform
                self.estate.pass_to(self)
                for name in self.identities:
                    self._obey_early(name)
            case IdentityIs(record):
                self.identities[record.name] = record
                self._obey_early(record.name)
            case IdentityGone(name):
                self._forget(name)
            case Synced(names):
                for name in set(self.identities) - names:
                    self._forget(name)

    def _forget(self, name: str) -> None:
        self.identities.pop(name, None)
        self._troubles.pop(name, None)
        if name in self.views:
            log.info("the hub knows %s no more", name)
            self._unmount(name)

    def _refresh(self, platform: Platform) -> None:
        """Show every view as it is decided now."""
        self.usage.trash = platform.spaces.trash.total_seconds() if platform.spaces.trash else 0.0
        now = self.clock()
        changes = []
        for view in self.views.values():
            record = self.identities.get(view.user, view.identity)
            changes.append(next_change(platform, record.identity, now))
            try:
                self._show(view, record, now)
            except Exception:  # what is wrong with one view must not keep a right open in another
                log.exception("the view of %s could not be refreshed", view.user)
        self._next_change = min((change for change in changes if change is not None), default=None)

    def _show(self, view: ServedView, record: IdentityRecord, now: datetime) -> None:
        shown, places = self.shown(record, now)
        if (shown, places) != (view.view, view.places):
            log.info("the view of %s changes", view.user)
            view.show(record, shown, places)

    def shown(self, record: IdentityRecord, now: datetime) -> tuple[View, dict[str, Place]]:
        """Return the view of that identity, and the directories of it that are there; missing spaces are made."""
        if self.platform is None:
            raise Refused("no platform file is known yet: the hub has not said it")
        view = view_for(self.platform, record, now)
        places = directories.places(self.var, self.platform, view)
        troubles = directories.make_spaces(self.var, view)
        said = self._troubles.get(record.name, {})
        for key, trouble in troubles.items():
            if said.get(key) != trouble:
                log.error("a space is not shown to %s: %s", record.name, trouble)
        self._troubles[record.name] = troubles
        there = {key: path for key, path in places.items() if key not in troubles and path.is_dir()}
        return view, self.usage.places(view, there)

    # Orders.

    def _obey(self, order: Order) -> None:
        try:
            self._carry_out(order)
        except Refused as refusal:
            order.refuse(str(refusal))
        except OSError as error:
            log.exception("an order failed: %r", order.request)
            order.refuse(f"the order failed: {error}")
        except Exception:  # who gave the order waits for an answer, whatever went wrong
            log.exception("an order failed: %r", order.request)
            order.refuse("the order failed by a fault of the keeper; its log says which")

    def _carry_out(self, order: Order) -> None:
        match order.request.get("op"):
            case "mount":
                self._mount(order)
            case "unmount":
                self._unmount(order.user)
                order.done()
            case "status":
                order.done(views=[view.to_json() for view in self.views.values()], spaces=self.usage.to_json())
            case other:
                raise Refused(f"{other!r} is no order; there are mount, unmount and status")

    def _mount(self, order: Order) -> None:
        user = order.user
        if user in {"", ".", ".."} or "/" in user or "\0" in user:
            raise Refused(f"{user!r} cannot be a user: it cannot name a directory")
        if user not in self.identities or self.platform is None:
            self._early.append((time.monotonic() + IDENTITY_SECONDS, order))
            return
        view = self.views.get(user) or self.make(self.identities[user])
        if view.healthy:
            order.done(path=str(view.path))
        else:
            view.waiting.append(order)

    def _obey_early(self, name: str) -> None:
        for due, order in list(self._early):
            if order.user == name and self.platform is not None:
                self._early.remove((due, order))
                self._obey(order)

    def make(self, record: IdentityRecord) -> ServedView:
        """Mount the view of that identity; Refused where it has a home that cannot be used."""
        shown = self.shown(record, self.clock())
        if HOME in shown[0].writable and HOME not in shown[1]:
            raise Refused(f"the home of {record.name} cannot be used: {self._troubles[record.name].get(HOME, 'it is not there')}")
        path = self.var.views / record.name
        view = ServedView.make(path, self.records, self.staff, record, shown)
        self.views[record.name] = view
        return view

    def _unmount(self, user: str) -> None:
        view = self.views.pop(user, None)
        if view is not None:
            view.end()
            self.usage.leave(user)

    def end_workers(self) -> None:
        """End those who serve, each after the calls that it has at work: open files wait for the next keeper's."""
        workers = [worker for view in self.views.values() for worker in (view.current, view.following) if worker is not None]
        for worker in workers:
            worker.process.send(signal.SIGTERM)
        for worker in workers:
            worker.process.end(PATIENCE_SECONDS)

    def _end(self) -> None:
        for user in list(self.views):
            try:
                self._unmount(user)
            except OSError:
                log.exception("the view of %s did not end cleanly", user)
        self.estate.give_up()
        for _, order in self._early:
            order.refuse("the keeper is ending")
        mount.detach_all(self.var.views)
        self.usage.write_down()


# What asks it to end, and how: SIGUSR1 to make room for the next keeper of this machine, SIGUSR2 for one whose processes see
# none of ours. A keeper of before that does not know a signal ends by it, which is as good.
STOPS = {
    signal.SIGTERM: Stop(),
    signal.SIGINT: Stop(),
    signal.SIGUSR1: Stop(leave=True),
    signal.SIGUSR2: Stop(leave=True, end_workers=True),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mounts what people see as /data, and decides what each sees.")
    parser.add_argument("--var", type=Path, required=True, help="state directory of the platform")
    parser.add_argument("--turn", type=int, metavar="FD", help="wait for this inherited lock, in the place of one of its own")
    parser.add_argument("--warm", type=Path, metavar="FILE", help="made when all is ready for that turn")
    return parser.parse_args()


def _take_turn(keeper: Keeper, turn: Turn) -> int:
    # A worker that outlives us, for however short a time, must not meet the next keeper's.
    keeper.staff.inherited = (turn.lock,)
    # At least one: who comes first to this node waits for no interpreter either.
    keeper.staff.make_ready(max(1, keeper.records.count()))
    return turn.take()


def main() -> None:
    """Keep the views of one platform until SIGTERM."""
    asked = _arguments()
    var = Var(asked.var.resolve())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        raise SystemExit("the keeper mounts: it needs root and /dev/fuse")
    privileges.raise_open_files()
    keeper = Keeper(var)
    lock = alone(var) if asked.turn is None else _take_turn(keeper, Turn(asked.turn, asked.warm))

    def stop(number: int, _frame: FrameType | None) -> None:
        keeper.events.put(STOPS[signal.Signals(number)])

    for number in STOPS:
        signal.signal(number, stop)
    keeper.prepare()
    orders = Orders(var.keeper_socket, keeper.events.put)
    feed = Feed(var.identity_socket, keeper.events.put)
    scanner = Scanner(keeper.usage)
    scanner.start()
    orders.start()
    feed.start()
    log.info("the keeper takes orders at %s", var.keeper_socket)
    ended = keeper.run()
    feed.stop()
    scanner.stop()
    orders.close()
    log.info("the keeper has ended; %s", "the next one goes on" if keeper.views else "nothing is mounted")
    if ended.end_workers:
        # Last, as people wait from here on; to take the interpreter down would double their wait.
        keeper.end_workers()
        logging.shutdown()
        os._exit(0)
    os.close(lock)


if __name__ == "__main__":
    main()
