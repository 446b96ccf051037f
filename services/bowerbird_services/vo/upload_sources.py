"""Where uploaded tables come from: files of the request itself, and results of this service's own jobs. Nothing is fetched."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO

from bowerbird.vo.uws import Phase
from bowerbird_config.identity import Identity

from bowerbird_services.site import Site
from bowerbird_services.vo import uploads
from bowerbird_services.vo.dali import Fault, Parameters
from bowerbird_services.vo.jobs import JobStore
from bowerbird_services.vo.uws import Job

RESULT = "result"


@dataclass
class Uploaded:
    """The open files of the uploaded tables by their names in the query, and the releases that their rows come from."""

    files: dict[str, IO[bytes]] = field(default_factory=dict)
    releases: set[tuple[str, str]] = field(default_factory=set)

    def close(self) -> None:
        """Let the files go."""
        for file in self.files.values():
            file.close()


class UploadSources:
    """Opens what UPLOAD names, for those who may read it."""

    def __init__(self, site: Site, store: JobStore) -> None:
        self._site = site
        self._store = store

    async def opened(self, given: Parameters, identity: Identity, address: str) -> Uploaded:
        """Return the uploaded tables; `address` is the service's own, as the client knows it."""
        named = uploads.named(given)
        own = f"{address}/tap/async/"
        found = Uploaded()
        for name, place in named.items():
            if place.startswith("param:"):
                found.files[name] = _sent(name, place.removeprefix("param:"), given)
            else:
                job = await self._job(name, place, identity, own)
                found.files[name] = await asyncio.to_thread((self._store.directory(job.id) / RESULT).open, "rb")
                found.releases.update(job.releases)
        return found

    async def _job(self, name: str, place: str, identity: Identity, own: str) -> Job:
        identifier, _, rest = place.removeprefix(own).partition("/")
        if not place.startswith(own) or rest != f"results/{RESULT}":
            raise Fault(
                f"UPLOAD of {name} is at {place!r}; this service fetches nothing from elsewhere: send the table as param:FIELD, "
                f"or name a result of its own jobs, {own}…/results/{RESULT}"
            )
        job = await asyncio.to_thread(self._store.get, identifier)
        if job is None or job.owner not in {None, identity.name} or job.phase is not Phase.COMPLETED:
            raise Fault(f"UPLOAD of {name}: there is no such result", HTTPStatus.BAD_REQUEST)
        self.allow(job, identity)
        return job

    def allow(self, job: Job, identity: Identity) -> None:
        """Refuse a result that is made of what this identity may not read any more."""
        now = self._site.clock()
        for collection, release in job.releases:
            decision = self._site.identities.records.decide(identity, collection, release, now)
            if not decision.allowed:
                raise Fault(decision.sentence, HTTPStatus.NOT_FOUND if decision.hidden else HTTPStatus.FORBIDDEN)


def _sent(name: str, field: str, given: Parameters) -> IO[bytes]:
    if field not in given.files:
        raise Fault(f"UPLOAD of {name} is said to be in the form's file {field!r}, and no such file came")
    return given.files[field].file
