"""/products/COLLECTION/RELEASE/PATH: the files of releases, for whoever may read the release."""

import os
import re
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus
from posixpath import normpath
from typing import Final

from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bowerbird_services.etags import is_known
from bowerbird_services.part_answers import PartAnswer, Patience
from bowerbird_services.release_files import ClosedFile, Directories, NoFile, ReleaseFile, open_file
from bowerbird_services.site import ABSENT, Site
from bowerbird_services.store.dids import DID
from bowerbird_services.streams import Threads, unless_gone
from bowerbird_services.vo.dali import Fault

_CHUNK = 1 << 20
_THREADS = 8
_CROWDED = "files are on their way to you already, the most at once; ask again when one has come"
# A number with more digits is of no file.
_RANGE: Final = re.compile(r"bytes *= *(?:(?P<first>[0-9]{1,18}) *- *(?P<last>[0-9]{0,18})|- *(?P<suffix>[0-9]{1,18}))", re.IGNORECASE)
# What a file is by the end of its name; all others are bytes, so that no browser makes a page of them.
_TYPES: Final = {
    **dict.fromkeys((".fits", ".fit", ".fts", ".fits.gz", ".fits.fz"), "application/fits"),
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".vot": "application/x-votable+xml",
    ".parquet": "application/vnd.apache.parquet",
}


class ProductService:
    """Answers for the files of one site's releases."""

    def __init__(self, site: Site, directories: Directories) -> None:
        self._site = site
        self._directories = directories
        # Its own threads and places: large files keep no query waiting, and queries no file.
        self._threads = Threads(_THREADS)
        self._places = site.places_for("files")

    def routes(self) -> list[Route]:
        """Return the addresses below /products."""
        return [Route("/{collection}/{release}/{path:path}", self.file)]

    async def close(self) -> None:
        """Let the threads go."""
        await self._threads.close()

    async def file(self, request: Request) -> Response:
        """Send a file, or the part of it that is asked for."""
        identity = await self._site.identities.of(request)
        self._allow(request, identity)
        file = await self._opened(request)
        try:
            answer = await self._answer(request, identity, file)
        except BaseException:  # also when whoever asked has gone, no file stays open
            file.close()
            raise
        if not isinstance(answer, PartAnswer):
            file.close()
        return answer

    async def _answer(self, request: Request, identity: Identity, file: ReleaseFile) -> Response:
        told = {"ETag": file.tag, "Last-Modified": formatdate(file.modified, usegmt=True), "Accept-Ranges": "bytes"}
        if is_known(request, file.tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=told)
        told["Content-Type"] = media_type(request.path_params["path"])
        if request.method == "HEAD":
            return Response(headers=told | {"Content-Length": str(file.size)})
        part = _part(request, file, told["Last-Modified"])
        if part is None:
            words = f"the file has {file.size} bytes, and none of those that are asked for"
            raise Fault(words, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{file.size}"})
        if len(part) < file.size:
            told["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
        await unless_gone(request, self._site.entered(self._places, identity, _CROWDED))

        def ended() -> None:
            file.close()
            self._places.leave(identity.name)

        patience = Patience(self._site.allowance(identity).sync.total_seconds())
        return PartAnswer(self._threads, _read(file, part), told | {"Content-Length": str(len(part))}, patience, ended)

    def _allow(self, request: Request, identity: Identity) -> None:
        collection, release = request.path_params["collection"], request.path_params["release"]
        self._site.admit(identity, (collection, release))
        archive = self._site.archive
        # As the file would be opened: no link is followed, so that a path has one file.
        did = DID(collection, release, normpath(request.path_params["path"]))
        if archive is not None and archive.is_cut_only(did):
            links = archive.doors.linked(did)
            raise Fault(
                f"images and cubes of {collection}/{release} are cut and not handed out whole; cut them by {links}", HTTPStatus.FORBIDDEN
            )

    async def _opened(self, request: Request) -> ReleaseFile:
        place = request.path_params
        try:
            return await self._threads.run(open_file, self._directories, place["collection"], place["release"], place["path"])
        except NoFile:
            raise Fault(ABSENT, HTTPStatus.NOT_FOUND) from None
        except ClosedFile as error:
            raise Fault(str(error), HTTPStatus.FORBIDDEN) from error


def _read(file: ReleaseFile, part: range) -> Iterator[tuple[bytes]]:
    for begin in part[::_CHUNK]:
        yield (os.pread(file.descriptor, min(_CHUNK, part.stop - begin), begin),)


def media_type(path: str) -> str:
    """Return what a file is by its name."""
    name = path.lower()
    return next((kind for end, kind in _TYPES.items() if name.endswith(end)), "application/octet-stream")


def _part(request: Request, file: ReleaseFile, modified: str) -> range | None:
    """Return the places of the bytes to send; None where those that are asked for are not there.

    What is no single range is answered with the whole (RFC 9110, section 14.2).
    """
    whole = range(file.size)
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", file.tag) not in {file.tag, modified}:
        return whole
    if asked["suffix"]:
        part = whole[-int(asked["suffix"]) :] if int(asked["suffix"]) else range(0)
    else:
        first, last = int(asked["first"]), int(asked["last"] or file.size)
        if last < first and asked["last"]:
            return whole
        part = whole[first : last + 1]
    return part if len(part) else None
