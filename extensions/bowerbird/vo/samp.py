"""SAMP 1.3: a table or images handed to TOPCAT, Aladin, ds9, or to what else runs beside the notebook."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bowerbird.errors import ServiceGone
from bowerbird.vo.uploads import document

_LOAD, _IMAGE = "table.load.votable", "image.load.fits"
# A program reads the file after it was told of it: it is left there for so long.
_KEEP_SECONDS = 3600
# The hub is found by a file in the home of whoever started it, and the programs read the files that they are told of.
_ELSEWHERE = "a program on another computer, such as the one before you, is not reached: write a file, download it and open it there"


def send(table: Any, name: str) -> str:
    """Hand a table to all programs that take tables, and return who they are; ServiceGone says what is missing."""
    written = document(table)
    with _told(_LOAD, "tables", "start TOPCAT") as (client, heard):
        place = _file(written, "vot")
        client.notify_all({"samp.mtype": _LOAD, "samp.params": {"url": place.as_uri(), "table-id": place.stem, "name": name}})
        return heard


def send_images(images: Mapping[str, bytes]) -> str:
    """Hand FITS images, by their names, to all programs that take them, and return who they are; ServiceGone says what is missing."""
    with _told(_IMAGE, "images", "start ds9 or Aladin") as (client, heard):
        for name, content in images.items():
            place = _file(content, "fits")
            client.notify_all({"samp.mtype": _IMAGE, "samp.params": {"url": place.as_uri(), "image-id": place.stem, "name": name}})
        return heard


@contextlib.contextmanager
def _told(kind: str, what: str, start: str) -> Iterator[tuple[Any, str]]:
    """Give a client of the hub on this machine, and who there listens."""
    from pyvo.samp import SAMPHubError, SAMPIntegratedClient, SAMPProxyError, conf  # noqa: PLC0415  # slow to import

    client = SAMPIntegratedClient(name="Bowerbird", description="A notebook of Bowerbird", callable=False)
    try:
        # Else pyvo asks a host of the internet whether there is one, and waits for its name to be looked up.
        with conf.set_temp("use_internet", False):
            client.connect()
    except (SAMPHubError, SAMPProxyError, OSError) as error:
        way_out = f"{start} on the machine where this notebook computes, and send it again; {_ELSEWHERE}"
        raise ServiceGone("SAMP", "has no hub here, through which programs hear of each other", way_out) from error
    try:
        heard = [str(client.get_metadata(one).get("samp.name", one)) for one in client.get_subscribed_clients(kind)]
        if not heard:
            raise ServiceGone("SAMP", f"has a hub, but no program there takes {what}", f"{start}, and send it again")
        yield client, ", ".join(sorted(heard))
    finally:
        client.disconnect()


def _file(written: bytes, ending: str) -> Path:
    folder = Path(tempfile.gettempdir())
    for old in folder.glob("bowerbird-samp-*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _KEEP_SECONDS:
                old.unlink()
    with tempfile.NamedTemporaryFile(prefix="bowerbird-samp-", suffix=f".{ending}", dir=folder, delete=False) as file:
        file.write(written)
    return Path(file.name)
