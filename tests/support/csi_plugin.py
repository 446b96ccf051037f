"""A node plugin that asks nobody: `csi_plugin.py VAR KUBELET DRIVER WHO SECONDS`, where WHO is a JSON file of users by pod.

A pod that is not in it is refused; a value of null means that nobody answers. SECONDS are
what a node before has to notice a lease that was taken. All else is the plugin's own.
"""

import json
import logging
import sys
import threading
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.errors import Away, Denied
from bowerbird_fuse.csi.metrics import Calls
from bowerbird_fuse.csi.plugin import serve, stop_on_signals
from bowerbird_fuse.csi.publisher import Publisher
from bowerbird_fuse.csi.serving import Driver

FILES = {"passwd": "ann:x:1:1::/home/ann:/bin/sh\n", "group": "ann:x:1:\n"}


def main() -> None:
    var, kubelet, name, book, seconds = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)

    def who(claim: Claim) -> Admission:
        users = json.loads(Path(book).read_text())
        if claim.pod.name not in users:
            raise Denied(f"pod {claim.pod} is nobody's server")
        if users[claim.pod.name] is None:
            raise Away("the hub does not answer")
        return Admission(users[claim.pod.name], 611001, FILES, {"token": "of-the-server"})

    driver = Driver(name, "node-1", "0.1", Path(kubelet))
    stop = threading.Event()
    stop_on_signals(stop.set)
    publisher = Publisher(Var(Path(var)), driver.pods, driver.node, who, taken_seconds=float(seconds))
    serve(driver, publisher, stop, Calls())


if __name__ == "__main__":
    main()
