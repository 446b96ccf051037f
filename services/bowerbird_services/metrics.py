"""`/metrics` of the services, in Prometheus's text format: their answers by part and status, how long they took, jobs, and health.

It stands beside the services' prefix and not below it, so that the proxy leads nobody to it.
"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from bowerbird_config.image_parts import IMAGE_PARTS
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bowerbird_services.answers import Answers
from bowerbird_services.ingest.state import State, read
from bowerbird_services.site import Site
from bowerbird_services.vo.health import Health
from bowerbird_services.vo.jobs import JobStore

PATH: Final = "/metrics"
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_OTHER: Final = "other"
# Whoever asks chooses the address: of names that are no part of ours there could be any number.
_PARTS: Final = frozenset({"tap", "scs", *IMAGE_PARTS})
_NOT_ANSWERED: Final = "none"
# A whole archive that is away makes no page of figures of it.
_MOST_SENTENCES: Final = 20
_LONGEST_SENTENCE: Final = 300


class Measured:
    """Counts each answer of the application that it wraps, but those about themselves."""

    def __init__(self, app: ASGIApp, answers: Answers, prefix: str) -> None:
        self._app = app
        self._answers = answers
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] == PATH:
            await self._app(scope, receive, send)
            return
        part, began, status = self._part(scope["path"]), time.monotonic(), _NOT_ANSWERED
        answers = self._answers

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        answers.at_work += 1
        try:
            await self._app(scope, receive, seen)
        finally:
            answers.at_work -= 1
            answers.counts[part, status] += 1
            answers.seconds[part] += time.monotonic() - began

    def _part(self, path: str) -> str:
        first = path.removeprefix(self._prefix).lstrip("/").partition("/")[0]
        return first if first in _PARTS else _OTHER


def route(site: Site, jobs: JobStore, health: Health) -> Route:
    """Return where all that is measured is told."""

    def looked() -> tuple[int, bool, State | None]:
        return len(jobs.unfinished()), health.state().trouble is None, read(site.ingest) if site.ingest else None

    async def tell(_request: Request) -> Response:
        unfinished, well, ingest = await site.threads.run(looked)
        lines = (
            *_of_answers(site.answers),
            *_gauge("bowerbird_services_jobs_unfinished", "Jobs that wait or run.", unfinished),
            *_gauge("bowerbird_services_available", "1 where queries can be answered now.", int(well)),
            *(_of_ingest(ingest) if ingest else ()),
        )
        return PlainTextResponse("".join(f"{line}\n" for line in lines), media_type=_CONTENT_TYPE)

    return Route(PATH, tell)


def _of_answers(answers: Answers) -> Iterator[str]:
    yield from _about("bowerbird_services_answers_total", "Answers, by part and HTTP status.", "counter")
    for (part, status), count in sorted(answers.counts.items()):
        yield f'bowerbird_services_answers_total{{part="{part}",status="{status}"}} {count}'
    yield from _about("bowerbird_services_answer_seconds_total", "Time from each request to the end of its answer.", "counter")
    for part, seconds in sorted(answers.seconds.items()):
        yield f'bowerbird_services_answer_seconds_total{{part="{part}"}} {seconds:.6f}'
    yield from _gauge("bowerbird_services_at_work", "Requests whose answer has not ended.", answers.at_work + answers.worker_at_work)
    yield from _gauge("bowerbird_services_workers", "Processes that answer for images beside the main one.", answers.workers)


def _of_ingest(state: State) -> Iterator[str]:
    yield from _gauge("bowerbird_services_ingest_up", "1 while tables and surveys are made where something changes.", int(state.at_work))
    name = "bowerbird_services_not_made"
    yield from _about(name, "Tables and surveys that could not be made, and why.", "gauge")
    told = dict.fromkeys((what, why[:_LONGEST_SENTENCE]) for what, why in state.sentences())
    for what, why in islice(told, _MOST_SENTENCES):
        yield f'{name}{{what="{_quoted(what)}",why="{_quoted(why)}"}} 1'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _gauge(name: str, about: str, value: int) -> Iterator[str]:
    yield from _about(name, about, "gauge")
    yield f"{name} {value}"


def _about(name: str, about: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
