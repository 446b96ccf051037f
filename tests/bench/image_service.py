"""The platform's images in a process of their own, a mosaic of a team among them; started with a directory and the mosaic."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bowerbird_services.allowances import Allowance
from bowerbird_services.store.dids import DID

from tests.bench import table_service
from tests.bench.table_service import Service
from tests.services.gallery import fill, gallery

TOKEN = "token-of-member"
# A release that is open to its team alone.
MOSAIC = str(DID("demo", "dr2", "mosaic.fits"))
_AT_ONCE = 16


@contextmanager
def serving(place: Path, mosaic: Path) -> Iterator[Service]:
    """Serve a mosaic, which must lie on the same disk, while the block runs, and watch the memory of the process."""
    argv = [sys.executable, "-m", __spec__.name, str(place), str(mosaic)]
    with table_service.watched(argv) as running:
        yield running


def main() -> None:
    """Serve until SIGTERM; the address is the one line that is printed."""
    place, mosaic = map(Path, sys.argv[1:3])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())

    def lay(root: Path) -> None:
        fill(root)
        os.link(mosaic, root / "demo/dr2/mosaic.fits")

    with gallery(place, before=lay) as found:
        found.site.limits = lambda _platform, _identity: replace(Allowance(), at_once=_AT_ONCE)
        print(found.address, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
