"""TAP 1.1: a query, at once or as a job, and its answer in the spool."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bowerbird.errors import QueryRefused, ServiceError, TooLarge
from bowerbird.vo import cache
from bowerbird.vo.cache import Cache
from bowerbird.vo.deadline import within
from bowerbird.vo.fetch import MOST_BYTES, fetched
from bowerbird.vo.http import HTTP, Asked
from bowerbird.vo.jobs import Follower, Job, nobody
from bowerbird.vo.patience import Patience
from bowerbird.vo.records import Records
from bowerbird.vo.results import Answer
from bowerbird.vo.said import words

NOWHERE = Cache(None)
BINARY2 = "application/x-votable+xml;serialization=BINARY2"
# Of more tables than that it is quicker to ask for the rows again.
_MOST_EDITIONS = 32


@dataclass(frozen=True, slots=True)
class Question:
    """A query. `limit` is MAXREC; `background` chooses a job; `keep` lets the cache answer, and keep the answer."""

    adql: str
    uploads: Mapping[str, bytes] = field(default_factory=dict)
    limit: int | None = None
    background: bool = False
    keep: bool = True

    def form(self, response_format: str) -> dict[str, str]:
        """Return the parameters of TAP."""
        told = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": self.adql, "RESPONSEFORMAT": response_format}
        if self.limit is not None:
            told["MAXREC"] = str(self.limit)
        if self.uploads:
            told["UPLOAD"] = ";".join(f"{name},param:{name}" for name in self.uploads)
        return told

    def files(self) -> dict[str, tuple[str, bytes, str]]:
        """Return the tables that go with it."""
        return {name: (f"{name}.vot", body, "application/x-votable+xml") for name, body in self.uploads.items()}


def _tag(one: Element) -> str:
    return one.tag.rpartition("}")[2]


class TAP:
    """One service; what it writes best is asked once."""

    def __init__(self, http: HTTP, address: str, records: Records, *, kept: Cache = NOWHERE, most_bytes: int = MOST_BYTES) -> None:
        self.address = address.rstrip("/")
        self._http = http
        self._records = records
        self._cache = kept
        self._most_bytes = most_bytes
        self._format: str | None = None
        self._patience = Patience()

    async def ask(self, question: Question, *, seconds: float, follow: Follower = nobody) -> Answer:
        """Return the answer within `seconds`, for everything together; else ServiceSlow, and nothing is left running."""
        async with within(seconds, self.address, question.adql):
            return await self._answered(question, follow)

    async def _answered(self, question: Question, follow: Follower) -> Answer:
        key = cache.key(self.address, question.adql, question.uploads, question.limit) if question.keep else None
        kept = await self._kept(key, question) if key else None
        if kept is not None:
            return kept
        answer = await (self._job(question, follow) if question.background else self._at_once(question))
        if key and answer.open_to_all:
            # It is written also for who is interrupted meanwhile, and closed after that.
            writing = asyncio.ensure_future(asyncio.to_thread(self._cache.put, key, answer.file))
            try:
                await asyncio.shield(writing)
            except BaseException:  # also an interrupt: nobody else could close the file
                await writing
                answer.file.close()
                raise
        return answer

    async def _kept(self, key: str, question: Question) -> Answer | None:
        file = self._cache.get(key)
        if file is None:
            return None
        answer = Answer(self.address, question.adql, file)
        try:
            await asyncio.to_thread(lambda: answer.votable)
            if await self._still_so(answer):
                return answer
        except ServiceError:
            pass
        except BaseException:  # as above
            file.close()
            raise
        file.close()
        self._cache.drop(key)
        return None

    async def _still_so(self, answer: Answer) -> bool:
        """Tell whether each table is of the edition that an answer was made of; a service that names no editions is not asked."""
        editions = answer.editions
        if len(editions) > _MOST_EDITIONS:
            return False
        for table, edition in editions.items():
            told = await self._http.small(Asked("HEAD", f"{self.address}/tables/{quote(table)}", query=answer.query))
            if told.headers.get("etag") != f'"{edition}"':
                return False
        return True

    async def check_open(self, table: str, *, seconds: float) -> None:
        """Raise QueryRefused, in the words of the service, where it says that a table is closed to who asks."""
        asked = Asked("GET", f"{self.address}/tables/{quote(table)}")
        async with within(seconds, self.address):
            answer = await self._http.small(asked)
        said = words(answer.body) if answer.status == HTTPStatus.FORBIDDEN else ""
        if said:
            raise QueryRefused(self.address, said, "ask for another table")

    async def response_format(self) -> str:
        """Return the format to ask for: BINARY2 where the service lists it, else whatever its VOTable is."""
        if self._format is None:
            self._format = BINARY2 if "serialization=binary2" in await self._formats() else "votable"
        return self._format

    async def _formats(self) -> str:
        listed = [one.text or "" for one in await self._capabilities() if _tag(one) == "mime"]
        return "\n".join(listed).lower().replace(" ", "")

    async def functions(self) -> list[tuple[str, str]]:
        """Return the form and the description of each function that the service says it has beside ADQL's own."""
        found = []
        for group in await self._capabilities():
            if _tag(group) == "languageFeatures" and group.get("type", "").lower().endswith(("-udf", "#udf")):
                told = [{_tag(part): " ".join((part.text or "").split()) for part in feature} for feature in group]
                found += [(one["form"], one.get("description", "")) for one in told if one.get("form")]
        return found

    async def _capabilities(self) -> list[Element]:
        """Return all elements of what the service tells of itself; none where it does not."""
        try:
            answer = await self._http.small(Asked("GET", f"{self.address}/capabilities"))
            return list(fromstring(answer.body).iter())
        except (TooLarge, ParseError, DefusedXmlException, ValueError):
            return []

    async def _at_once(self, question: Question) -> Answer:
        form = question.form(await self.response_format())
        # A query only reads: where no answer came, it is asked again.
        asked = Asked("POST", f"{self.address}/sync", form, question.files(), repeatable=True, query=question.adql)
        return await self._fetched(asked)

    async def _job(self, question: Question, follow: Follower) -> Answer:
        form = {**question.form(await self.response_format()), "PHASE": "RUN"}
        asked = Asked("POST", f"{self.address}/async", form, question.files(), query=question.adql)
        answer = None
        try:
            async with await Job.submit(self._http, asked, self.address, self._records) as job:
                answer = await self.result(job, question, follow)
        except BaseException:  # an interrupt while the job is deleted comes after its answer
            if answer is not None:
                answer.file.close()
            raise
        return answer

    async def result(self, job: Job, question: Question, follow: Follower = nobody) -> Answer:
        """Return the answer of a job when it is there."""
        state = await job.wait(follow, self._patience)
        return await self._fetched(Asked("GET", state.result or f"{job.url}/results/result", query=question.adql))

    async def _fetched(self, asked: Asked) -> Answer:
        return await fetched(self._http, asked, self.address, self._most_bytes)
