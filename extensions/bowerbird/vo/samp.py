"""SAMP 1.3: a table handed to TOPCAT, or to what else runs beside the notebook."""

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

from bowerbird.errors import ServiceGone
from bowerbird.vo.uploads import document

_LOAD = "table.load.votable"
# A program reads the file after it was told of it: it is left there for so long.
_KEEP_SECONDS = 3600


def send(table: Any, name: str) -> str:
    """Hand a table to all programs that take tables, and return who they are; ServiceGone says what is missing."""
    from pyvo.samp import SAMPHubError, SAMPIntegratedClient, SAMPProxyError  # noqa: PLC0415  # slow to import

    written = document(table)
    client = SAMPIntegratedClient(name="Bowerbird", description="A notebook of Bowerbird", callable=False)
    try:
        client.connect()
    except (SAMPHubError, SAMPProxyError, OSError) as error:
        way_out = "start TOPCAT on the machine where this notebook computes, and send the table again"
        raise ServiceGone("SAMP", "has no hub here, through which programs hear of each other", way_out) from error
    try:
        heard = [str(client.get_metadata(one).get("samp.name", one)) for one in client.get_subscribed_clients(_LOAD)]
        if not heard:
            raise ServiceGone("SAMP", "has a hub, but no program there takes tables", "start TOPCAT, and send the table again")
        place = _file(written)
        client.notify_all({"samp.mtype": _LOAD, "samp.params": {"url": place.as_uri(), "table-id": place.stem, "name": name}})
        return ", ".join(sorted(heard))
    finally:
        client.disconnect()


def _file(written: bytes) -> Path:
    folder = Path(tempfile.gettempdir())
    for old in folder.glob("bowerbird-samp-*.vot"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _KEEP_SECONDS:
                old.unlink()
    with tempfile.NamedTemporaryFile(prefix="bowerbird-samp-", suffix=".vot", dir=folder, delete=False) as file:
        file.write(written)
    return Path(file.name)
