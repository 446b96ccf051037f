"""/hips and /moc: the HiPS of releases and the sky that their images cover, for whoever may read the release."""

import gzip
import hashlib
import re
from collections.abc import Iterator
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bowerbird_config.identity import Identity
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bowerbird_services.etags import is_known
from bowerbird_services.site import ABSENT, NOWHERE, Site, takes_gzip
from bowerbird_services.store import surveys
from bowerbird_services.streams import Threads
from bowerbird_services.vo import hips, moc
from bowerbird_services.vo.dali import Fault, parameters

_THREADS = 4
_QUICKLY = 1
_TYPES: Final = {"fits": "application/fits", "png": "image/png"}
_TILE: Final = re.compile(r"Norder(?P<order>[0-9]{1,2})/Dir[0-9]{1,19}/Npix(?P<number>[0-9]{1,19})\.(?P<kind>png|fits)")
_OVERVIEW: Final = re.compile(r"Norder(?P<order>[0-9]{1,2})/Allsky\.(?P<kind>png|fits)")


class HiPSService:
    """Answers for the HiPS and MOCs below `root`."""

    def __init__(self, site: Site, root: Path) -> None:
        self._site = site
        self._root = root
        # Its own: a map on the screen asks for many tiles at once, and keeps no query waiting.
        self._threads = Threads(_THREADS)

    def hips_routes(self) -> list[Route]:
        """Return the addresses below /hips."""
        return [
            Route(f"/{hips.LIST}", self.hipslist),
            Route("/{collection}/{release}", self.page),
            Route(f"/{{collection}}/{{release}}/{hips.LIST}", self.hipslist),
            Route("/{collection}/{release}/{path:path}", self.file),
            Route("/{path:path}", self.nothing),
        ]

    def moc_routes(self) -> list[Route]:
        """Return the addresses below /moc."""
        return [Route("/{collection}", self.moc), Route("/{collection}/{release}", self.moc)]

    async def close(self) -> None:
        """Let the threads go."""
        await self._threads.close()

    async def hipslist(self, request: Request) -> Response:
        """Send the surveys that whoever asks may see, or those of one release."""
        identity = await self._site.identities.of(request)
        address = f"{self._site.address_of(request)}/hips"
        if "release" in request.path_params:
            found = await self._of_release(request, identity)
        else:
            found = await self._threads.run(lambda: list(self._seen(identity)))
        records = [hips.listed(about, f"{address}/{about.name}") for about in found]
        return _told(request, hips.text(records).encode(), hips.TEXT)

    async def page(self, request: Request) -> Response:
        """Lead who opens the address of a survey to the page of its collection, whether that is there or not."""
        return RedirectResponse(
            f"{self._site.address_of(request)}/collections/{quote(request.path_params['collection'])}", HTTPStatus.SEE_OTHER
        )

    async def nothing(self, _request: Request) -> Response:
        """Say where surveys are, at an address that can be of none."""
        words = f"{NOWHERE}; a survey is at hips/COLLECTION/RELEASE, and hips/{hips.LIST} names all"
        raise Fault(words, HTTPStatus.NOT_FOUND)

    async def file(self, request: Request) -> Response:
        """Send a tile, an overview, the properties or the MOC of a survey; without a band that of the release's first."""
        identity = await self._site.identities.of(request)
        found = await self._of_release(request, identity)
        about, path = _parted(found, request.path_params["path"])
        if not path:
            return await self.page(request)
        if path == hips.PROPERTIES:
            return _told(request, hips.text([hips.properties(about)]).encode(), hips.TEXT)
        kind = _kind(path)
        if kind is None:
            raise Fault(ABSENT, HTTPStatus.NOT_FOUND)
        folder = self._folder(about)
        try:
            return await self._threads.run(_sent, request, folder / path, _TYPES[kind])
        except FileNotFoundError:
            # A map keeps a 404 as empty sky: it is told so of nothing but that.
            _check_there(folder, about, may_lack=_TILE.fullmatch(path) is not None)
            raise Fault("there is no such tile: no image lies there", HTTPStatus.NOT_FOUND) from None

    async def moc(self, request: Request) -> Response:
        """Send the sky that the images of a release cover, or of all releases of a collection that one may read."""
        identity = await self._site.identities.of(request)
        form = moc.form((await parameters(request)).single("RESPONSEFORMAT"))
        if "release" in request.path_params:
            self._site.admit(identity, _place(request))
            found = await self._threads.run(self._about, _place(request))
        else:
            name = request.path_params["collection"]
            found = await self._threads.run(lambda: [about for about in self._seen(identity) if about.place[0] == name])
        if not found:
            raise Fault("there is no MOC here: nothing of it has images that are open to you and drawn already", HTTPStatus.NOT_FOUND)
        files = tuple(self._folder(about) / surveys.MOC_FILE for about in found)
        title = ", ".join(dict.fromkeys(f"{about.collection.title}: {about.release.title}" for about in found))
        try:
            content = await self._threads.run(_united, files, form, title)
        except OSError:
            for about in found:
                _check_there(self._folder(about), about, may_lack=(self._folder(about) / surveys.MOC_FILE).exists())
            raise
        return _told(request, content, moc.FORMATS[form])

    def _seen(self, identity: Identity) -> Iterator[hips.About]:
        records, at = self._site.identities.records, self._site.clock()
        for collection, about in records.platform.collections.items():
            for release in about.releases:
                if records.decide(identity, collection, release, at).allowed:
                    yield from self._about((collection, release))

    async def _of_release(self, request: Request, identity: Identity) -> list[hips.About]:
        """Return the surveys of the release that is asked for; Fault where it may not be read, or has none."""
        self._site.admit(identity, _place(request))
        found = await self._threads.run(self._about, _place(request))
        if not found:
            raise Fault("there is no HiPS of this release: it has no images, or they are not drawn yet", HTTPStatus.NOT_FOUND)
        return found

    def _about(self, place: tuple[str, str]) -> list[hips.About]:
        records = self._site.identities.records
        collection = records.platform.collections.get(place[0])
        release = collection.releases.get(place[1]) if collection else None
        if collection is None or release is None:
            return []
        drawn = _drawn(surveys.folder_of(self._root, *place))
        public = release.public_at(self._site.clock())
        return [hips.About(place, collection, release, survey, public, drawn.part(survey)) for survey in drawn.surveys]

    def _folder(self, about: hips.About) -> Path:
        return surveys.folder_of(self._root, *about.place) / about.survey.folder


def _check_there(folder: Path, about: hips.About, *, may_lack: bool) -> None:
    """Return where a file is no part of a survey; Fault where the survey is lost, or of it what each has: that is mended beside us."""
    if not (may_lack and folder.is_dir()):
        words = f"the survey of {about.name} was lost and is drawn again; try again later"
        raise Fault(words, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["collection"], request.path_params["release"]


def _parted(found: list[hips.About], path: str) -> tuple[hips.About, str]:
    """Return which survey a path below a release is of, and what of it; Fault where there is no such one."""
    if path in {"", hips.PROPERTIES} or _kind(path):
        return found[0], path
    name, _, rest = path.partition("/")
    about = next((one for one in found if one.survey.name == name), None)
    if about is None:
        raise Fault(ABSENT, HTTPStatus.NOT_FOUND)
    return about, rest


def _drawn(folder: Path) -> surveys.Drawn:
    try:
        stat = (folder / surveys.NAME).stat()
    except OSError:
        return surveys.Drawn()
    return _kept(folder, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _kept(folder: Path, _modified: int, _inode: int) -> surveys.Drawn:
    return surveys.read(folder)


@lru_cache(maxsize=16)
def _united(files: tuple[Path, ...], form: str, title: str) -> bytes:
    """Return MOCs as one; a file is never another under the same name, since its folder is named by what it was made of."""
    return moc.written(moc.together(files), form, title)


def _kind(path: str) -> str | None:
    """Return of which kind the file of a survey is that has this path; None where none has it."""
    if path == surveys.MOC_FILE:
        return "fits"
    if found := _TILE.fullmatch(path):
        exact = surveys.tile(found["kind"], int(found["order"]), int(found["number"]))
    elif found := _OVERVIEW.fullmatch(path):
        exact = surveys.overview(found["kind"], int(found["order"]))
    else:
        return None
    return found["kind"] if exact == path else None


def _told(request: Request, content: bytes, media_type: str) -> Response:
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:24]}"', "Content-Type": media_type}
    if is_known(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers)


def _sent(request: Request, file: Path, media_type: str) -> Response:
    """Return the answer with a file, whole; a tile is a megabyte at most.

    An overview as FITS has 64 by 64 pixels for each of the 768 tiles of the sky (HiPS 1.0, section 4.3.2), 12.8 MB, of which
    most are empty: it goes packed to whoever takes it so.
    """
    stat = file.stat()
    packed = media_type == _TYPES["fits"] and _OVERVIEW.search(str(file)) is not None and takes_gzip(request)
    tag = f'"{stat.st_ino:x}-{stat.st_size:x}-{stat.st_mtime_ns:x}{"-gzip" if packed else ""}"'
    headers = {"ETag": tag, "Last-Modified": formatdate(stat.st_mtime, usegmt=True), "Content-Type": media_type}
    headers |= {"Vary": "Accept-Encoding"} if _OVERVIEW.search(str(file)) else {}
    if is_known(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(stat.st_size)})
    if packed:
        return Response(gzip.compress(file.read_bytes(), _QUICKLY), headers=headers | {"Content-Encoding": "gzip"})
    return Response(file.read_bytes(), headers=headers)
