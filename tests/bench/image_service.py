"""The platform's images in processes of their own, as production starts them, a mosaic of a team among them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird_services.store.dids import DID

from tests.bench import table_service
from tests.bench.table_service import Service
from tests.services import gallery_processes

TOKEN = "token-of-member"
MOSAIC = str(DID(*gallery_processes.MOSAIC.split("/")))
_AT_ONCE = 16


@contextmanager
def serving(place: Path, mosaic: Path) -> Iterator[Service]:
    """Serve a mosaic, which must lie on the same disk, while the block runs, and watch the memory of the processes."""
    options = ("--mosaic", str(mosaic), "--at-once", str(_AT_ONCE))
    with table_service.watched([sys.executable, "-m", gallery_processes.__name__, str(place), *options]) as running:
        yield running
