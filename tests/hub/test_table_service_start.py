"""What a start says of the tables' service while it waits for it."""

import asyncio
import http.server
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird_hub.supervision.ports import Ports
from bowerbird_hub.supervision.table_service import answering, probe

LOG = Path("/logs/hub.log")


async def said_until_over(asked: Callable[[], str | None], seconds: float) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    await asyncio.wait_for(answering(asked, LOG, lambda state, rest: said.append((state, rest)), seconds), 30)
    return said


@pytest.mark.asyncio
async def test_it_is_ready_with_its_first_answer() -> None:
    answers = iter(["no answer yet", "no answer yet", None])
    said = await said_until_over(lambda: next(answers), 20)
    assert [state for state, _ in said] == ["starting", "ready"]
    assert said[0][1] == "waiting for its first answer; signing in works already"


@pytest.mark.asyncio
async def test_one_that_does_not_answer_keeps_nobody_waiting_for_ever() -> None:
    said = await said_until_over(lambda: "no answer at 8004", 0.3)
    assert said[-1] == ("not answering", "no answer at 8004 after 0.3 s; the hub goes on starting it; log: /logs/hub.log")


def test_it_is_asked_whether_queries_are_answered() -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503 if len(asked) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        ports = Ports(public=1, hub=2, proxy_api=3, cas=4, services=server.server_address[1], images=6)
        try:
            assert probe(ports)() is not None
            assert probe(ports)() is None
        finally:
            server.shutdown()
    assert set(asked) == {"/services/vo/tap/availability"}
