"""The node plugin's process: what kubelet asks it does, and between the calls it looks after what is published."""

import importlib.metadata
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

from bowerbird_fuse import mount
from bowerbird_fuse.csi import options
from bowerbird_fuse.csi.asking import Hub
from bowerbird_fuse.csi.keeper_orders import KeeperOrders
from bowerbird_fuse.csi.limits import Groups, Limits
from bowerbird_fuse.csi.metrics import Calls, MetricsServer
from bowerbird_fuse.csi.publisher import Publisher
from bowerbird_fuse.csi.relay import Relay
from bowerbird_fuse.csi.serving import Driver, Endpoint, node_calls, registration_calls
from bowerbird_fuse.csi.telling import Teller
from bowerbird_fuse.csi.volumes import Volume
from bowerbird_fuse.turn import Turn

log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0


def serve(driver: Driver, publisher: Publisher, stop: threading.Event, calls: Calls, limits: Limits | None = None) -> None:
    """Answer kubelet until `stop`, and count its calls; what is published stays, for the next plugin."""
    tending = threading.Thread(target=_look, args=(publisher.tend, stop), name="tend", daemon=True)
    # Apart, as it may wait for the storage for as long as that does not answer; so it is not waited for either.
    fencing = threading.Thread(target=_look, args=(publisher.look_at_leases, stop), name="leases", daemon=True)
    limiting = threading.Thread(target=_look, args=(limits.look, stop), name="limits", daemon=True) if limits else None
    with ExitStack() as stack:
        stack.callback(publisher.close)
        stack.callback(tending.join)
        node = Endpoint(driver.socket, node_calls(driver, publisher), calls)
        stack.callback(node.close)
        # Last to be there and first to go: where it is, kubelet calls.
        registration = Endpoint(driver.registration, registration_calls(driver), calls)
        stack.callback(registration.close)
        tending.start()
        fencing.start()
        if limiting is not None:
            limiting.start()
        log.info("the node plugin %s answers at %s", driver.name, driver.socket)
        stop.wait()
        log.info("the node plugin finishes what it has at work, and ends")


def _look(after: Callable[[], None], stop: threading.Event) -> None:
    """Look after something each second."""
    while True:
        try:
            after()
        except Exception:  # the next look may do better, and without one nobody's view would come back, or go
            log.exception("what is published could not be looked after")
        if stop.wait(_LOOK_SECONDS):
            return


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call that function at SIGTERM and SIGINT."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


def _check(driver: Driver) -> None:
    """End with a sentence where nothing can be mounted, or kubelet would not see what is."""
    if os.geteuid() != 0:
        raise SystemExit("the node plugin mounts: it needs root")
    around = [point for point in mount.mount_points() if driver.pods.resolve().is_relative_to(point.path)]
    if not sorted(around, key=lambda point: len(point.path.parts))[-1].shared:
        raise SystemExit(f"kubelet would not see what is mounted in {driver.pods}: mount it with mountPropagation Bidirectional")


def main() -> None:
    """Serve kubelet, and the hub's identity feed to the keeper, until SIGTERM."""
    asked = options.parse(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")
    driver = Driver(asked.driver, asked.node, importlib.metadata.version("bowerbird-fuse"), asked.kubelet)
    _check(driver)
    asked.var.run.mkdir(parents=True, exist_ok=True)
    if asked.turn is not None:
        Turn(asked.turn, asked.warm and asked.warm / "plugin").take()
    stop = threading.Event()
    stop_on_signals(stop.set)
    hub = Hub(asked.hub, asked.token_file, asked.hub_ca)
    relay, teller = Relay(asked.var, hub.feed), Teller()
    relay.start()
    teller.start()

    def remounted(volume: Volume) -> None:
        what = f"the view of {volume.user} in pod {volume.pod} was mounted anew"
        teller.later(what, lambda: publisher.tell(volume, hub.tell_remounted(volume)))

    def killed(volume: Volume, kills: int, dropped: Callable[[], None]) -> None:
        what = f"processes of pod {volume.pod} were ended for want of memory"
        teller.later(what, lambda: publisher.tell(volume, hub.tell_killed(volume, kills)), dropped)

    publisher, calls = Publisher(asked.var, driver.pods, driver.node, hub.whose, remounted), Calls()
    limits = Limits(Groups(asked.cgroups), publisher.book, publisher.contents, killed) if asked.cgroups else None
    with ExitStack() as stack:
        stack.callback(relay.close)
        if asked.metrics_port is not None:
            metrics = MetricsServer(asked.metrics_port, calls, publisher.book, KeeperOrders(asked.var.keeper_socket), limits)
            stack.callback(metrics.close)
        serve(driver, publisher, stop, calls, limits)


if __name__ == "__main__":
    main()
