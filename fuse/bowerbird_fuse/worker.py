"""A worker: serves one view on a mount that the keeper made, as the identity whose view it is, without any privilege."""

import argparse
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import trio

from bowerbird_fuse import native, notify, privileges, wire
from bowerbird_fuse.companion import Companion
from bowerbird_fuse.handles import Handles
from bowerbird_fuse.inodes import Inodes
from bowerbird_fuse.intents import Intents
from bowerbird_fuse.journal import GROWN_BYTES, Journal
from bowerbird_fuse.meter import Meter, Word
from bowerbird_fuse.operations import ViewOperations
from bowerbird_fuse.passthrough import Passthrough
from bowerbird_fuse.released import Released
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.restore import restore
from bowerbird_fuse.session import Session
from bowerbird_fuse.shelf import Shelf
from bowerbird_fuse.stores.base import Store
from bowerbird_fuse.stores.posix import PosixStore
from bowerbird_fuse.stores.space import Room, SpaceStore
from bowerbird_fuse.stores.trash import Trash
from bowerbird_fuse.strayed import Strayed
from bowerbird_fuse.tree import Outdated, Tree
from bowerbird_fuse.view import View

log = logging.getLogger("bowerbird_fuse.worker")
_HOLD_SECONDS = 20.0
# A clock that was set is noticed within this time, in seconds.
_CLOCK_SECONDS = 1.0


@dataclass
class Worker:
    """One view being served; `stores` are the directories that the keeper handed over, by key."""

    control: socket.socket
    device: int
    tree: Tree
    handles: Handles
    intents: Intents
    broker: socket.socket
    stores: dict[str, Store] = field(default_factory=dict)
    view: View | None = None

    def take(self, message: wire.Message, fds: list[int]) -> bool:
        """Take what the keeper says; tell whether there is another view to show."""
        match message:
            case wire.Stores(keys, slots) if len(keys) == len(slots) and len(fds) == len(keys) + sum(slot >= 0 for slot in slots):
                meters = iter(fds[len(keys) :])
                for key, fd, slot in zip(keys, fds, slots, strict=False):
                    self.stores[key] = PosixStore(fd) if slot < 0 else SpaceStore(fd, Room(_meter(next(meters), slot)))
                return False
            case wire.Show() if len(fds) == 1:
                self.view = wire.read_view(fds[0])
                return True
            case _:
                wire.close_all(fds)
                raise wire.WireError(f"the keeper said {message!r} at the wrong time")

    def show(self) -> Outdated:
        """Show the view as far as it holds now; let go of the rest."""
        if self.view is None:
            raise RuntimeError("no view to show yet")
        view = self.view.at(self.tree.clock())
        for space in view.spaces:
            store = self.stores.get(space.key)
            if isinstance(store, SpaceStore):
                store.room.soft, store.room.hard = space.soft, space.hard
                store.room.claim = self.handles.take_over
                store.room.trash = Trash(store, view.user, on=space.trash > 0)
        outdated = self.tree.show(view, {key: store for key, store in self.stores.items() if key in view.writable})
        self.handles.close_revoked()
        return outdated

    def close_unshown(self, held: dict[str, Store]) -> None:
        """Close the directories that were held before and serve nothing any more."""
        for key, store in held.items():
            if self.stores.get(key) is not store:
                store.close()
        for key in [key for key in self.stores if self.view is None or key not in self.view.writable]:
            self.stores.pop(key).close()

    async def listen(self) -> None:
        """Take what the keeper says until it goes; without a keeper the view stays as it is."""
        held = dict(self.stores)
        while True:
            await trio.lowlevel.wait_readable(self.control)
            message, fds = wire.receive(self.control)
            if message is None:
                log.info("the keeper is gone; serving on")
                return
            if self.take(message, fds):
                await self.refresh()
                self.close_unshown(held)
                held = dict(self.stores)

    async def refresh(self) -> None:
        """Show what holds now, and return when the kernel has forgotten the rest."""
        outdated = self.show()
        await trio.to_thread.run_sync(notify.forget, self.device, outdated, abandon_on_cancel=True)

    async def watch_clock(self) -> None:
        """Take away what ends by the clock alone, also while no keeper is there to say so."""
        shown = self.view.at(self.tree.clock()) if self.view else None
        while True:
            await trio.sleep(_CLOCK_SECONDS if self.view is None else self._until_next_end())
            self.tree.recent.expire()
            now = self.view.at(self.tree.clock()) if self.view else None
            if now != shown:
                await self.refresh()
                shown = now

    def _until_next_end(self) -> float:
        end = self.view.next_end if self.view else None
        left = _CLOCK_SECONDS if end is None else end - self.tree.clock()
        return min(left, _CLOCK_SECONDS) if left > 0 else _CLOCK_SECONDS

    def begin_count(self) -> None:
        """Forget which open files without a name an earlier worker counted: a scan counts them out."""
        for store in self.stores.values():
            if isinstance(store, SpaceStore):
                store.room.meter.clear(Word.HELD)

    async def serve(self, init: bytes) -> None:
        """Serve until SIGTERM, or until the mount is gone."""
        passthrough = Passthrough(self.broker, self.handles)
        session = Session(self.device, init, passthrough)
        operations = ViewOperations(self.tree, self.handles, self.intents, passthrough)
        operations.files.enter_all()
        self.tree.strayed = Strayed(lambda place: notify.forget(self.device, Outdated(names=(place,))))
        companion = Companion(operations)
        companion.take_locks()
        native.answer_by(companion.calls)
        serving = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._announce, serving, partial(passthrough.words, init))
            nursery.start_soon(_stop_on_signal, session)
            await session.serve(operations, serving)
            nursery.cancel_scope.cancel()

    async def _announce(self, serving: trio.Event, words: Callable[[bool], str]) -> None:
        await serving.wait()
        log.info(words(self.view is not None and self.view.passthrough))
        if missing := native.missing():
            log.warning(missing)
        wire.send(self.control, wire.Serving())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listen)
            nursery.start_soon(self.watch_clock)


async def _stop_on_signal(session: Session) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            session.stop()


def run(control: socket.socket) -> None:
    """Get ready, give up every privilege, wait for the word, serve."""
    device, remains, broker = _mount(control)
    released = Released(remains.journal)
    journal = Journal(remains.journal, released)
    handles = Handles(journal, Shelf(remains.front, remains.back), released)
    worker = Worker(control, device, Tree(Inodes(journal, released)), handles, Intents(remains.intents, native.request), broker)
    while worker.view is None:
        worker.take(*_next(control))
    privileges.drop(worker.view.uid, worker.view.gid, worker.view.groups)
    os.umask(0)
    wire.send(control, wire.Standby())
    while not isinstance((last := _next(control))[0], wire.Go):
        worker.take(*last)
    restore(worker.tree.inodes, worker.handles, [store.place for store in worker.stores.values()])
    worker.begin_count()
    worker.show()
    released.begin(GROWN_BYTES)
    trio.run(worker.serve, bytes.fromhex(last[0].init))


def _meter(fd: int, slot: int) -> Meter:
    try:
        return Meter(fd, slot)
    finally:
        os.close(fd)


def _mount(control: socket.socket) -> tuple[int, Remains, socket.socket]:
    """Wait for a mount, for as long as there is a keeper; return its device, what an earlier worker left, and the broker."""
    message, fds = wire.receive(control)
    if message is None:
        raise SystemExit(0)
    if not isinstance(message, wire.Mount):
        raise wire.WireError(f"the keeper said {message!r} before it said what to serve")
    placed = [os.dup2(fd, wire.FIRST_FD + index, inheritable=False) for index, fd in enumerate(fds)]
    wire.close_all(fds)
    return placed[0], Remains(*placed[1:-1]), socket.socket(fileno=placed[-1])


def _next(control: socket.socket) -> tuple[wire.Message, list[int]]:
    message, fds = wire.receive(control)
    if message is None:
        # The next keeper may find the mount by what this process holds open.
        time.sleep(_HOLD_SECONDS)
        raise SystemExit("the keeper went away before the view was served")
    return message, fds


def main() -> None:
    """Serve what the keeper hands over by this descriptor."""
    parser = argparse.ArgumentParser(description="Serves one view of /data. The keeper starts it.")
    parser.add_argument("--control", type=int, required=True, help="number of an inherited descriptor")
    control: int = parser.parse_args().control
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")
    # Ours alone: no child of this process ever gets it.
    os.set_inheritable(control, False)
    os.chdir("/")
    run(socket.socket(fileno=control))
    # Calls wait for this end, and for the next worker; to take the interpreter down would double their wait.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
