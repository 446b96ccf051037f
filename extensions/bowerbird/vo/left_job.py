"""A job that its notebook did not see end: the kernel was killed, or its token ended."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bowerbird.errors import QueryRefused, ServiceSlow
from bowerbird.vo.jobs import Job
from bowerbird.vo.loop import LOOP
from bowerbird.vo.records import Record
from bowerbird.vo.results import Answer, check_form
from bowerbird.vo.session import Session, session
from bowerbird.vo.tap import Question

if TYPE_CHECKING:
    from bowerbird.catalogues import Form


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A job of a service, by the query that it computes."""

    query: str
    service: str
    url: str

    def rows(self, *, seconds: float = 600, form: "Form" = "qtable") -> Any:
        """Return its rows when they are there, after which the job is gone; one that takes longer than `seconds` goes on."""
        check_form(form)
        held = session()
        answer = LOOP.run(self._answer(held, seconds))
        with answer.file:
            answer.warn()
            made = answer.to(form)
        # Not before: whoever has no memory for the rows, or no room, still finds them.
        LOOP.run(self._job(held).delete(over=True))
        return made

    def stop(self) -> None:
        """End it and forget it."""
        LOOP.run(self._job(session()).delete())

    def _job(self, held: Session) -> Job:
        return Job.found(held.http, Record(self.url, self.service, self.query), held.records)

    async def _answer(self, held: Session, seconds: float) -> Answer:
        job = self._job(held)
        try:
            async with asyncio.timeout(seconds):
                return await held.tap(self.service).result(job, Question(self.query))
        except TimeoutError as error:
            raise ServiceSlow(self.service, f"was not done within {seconds:g} s", "ask again later; the job goes on", self.query) from error
        except QueryRefused:
            await job.delete(over=True)
            raise
