"""A kernel that counts aloud: it writes a number to a file of the home every 50 ms and says it, and somebody listens as JupyterLab does."""

import asyncio
import json
import threading
import time
import uuid
from contextlib import suppress
from itertools import pairwise
from typing import Any

from tornado import websocket
from tornado.httpclient import HTTPClientError

from tests.hub.runtime_contract import kernel_of
from tests.support.hub import Person
from tests.support.session import execute_request

FILE = "counted"
_AGAIN_SECONDS = 0.2
COUNT = f"""
import itertools, pathlib, time
with open(pathlib.Path.home() / "{FILE}", "w", buffering=1) as file:
    for number in itertools.count():
        print(number, file=file)
        # What is heard is in the file.
        print(number, flush=True)
        time.sleep(0.05)
"""


class Aloud:
    """Counts in a person's server until that ends, and keeps what is heard."""

    def __init__(self, person: Person, code: str = COUNT) -> None:
        self.session, self.kernel = kernel_of(person)
        # How often the channel broke, and the longest time without a word.
        self.breaks, self.silence = 0, 0.0
        # What each connection has brought.
        self._said, self._heard_at = list[str](), time.monotonic()
        self._code = code
        self._ours, self._asked = uuid.uuid4().hex, False
        # With the same session the server keeps for a while what is said when nobody listens.
        self._channel = self.session.channel(self.kernel, self._ours)
        self._loop = asyncio.new_event_loop()
        self._listening = self._loop.create_task(self._listen())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def heard(self) -> list[int]:
        """The numbers that were heard, as they came; a line that a break cut in two is none."""
        return [int(line) for said in self._said for line in said.split("\n")[:-1] if line]

    def unheard(self, since: int) -> list[int]:
        """Return the numbers that nobody heard between those that were, after the first so many; ValueError where they do not go up."""
        heard = self.heard[since:]
        if any(one >= other for one, other in pairwise(heard)):
            raise ValueError(f"what was heard does not go up: {heard}")
        return sorted(set(range(heard[0], heard[-1])) - set(heard))

    def forget_silence(self) -> None:
        """Measure the longest silence from now on."""
        self.silence = 0.0

    def end(self) -> None:
        """Listen no more."""
        self._loop.call_soon_threadsafe(self._listening.cancel)
        self._thread.join(60)
        self._loop.close()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._listening)

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, HTTPClientError, websocket.WebSocketError):
                await self._hear(await websocket.websocket_connect(self._channel))
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _hear(self, channel: websocket.WebSocketClientConnection) -> None:
        try:
            if not self._asked:
                self._asked = True
                await channel.write_message(execute_request(self._code, self._ours))
            self._said.append("")
            while (raw := await channel.read_message()) is not None:
                self._take(json.loads(raw))
            self.breaks += 1
        finally:
            channel.close()

    def _take(self, message: Any) -> None:
        if message["parent_header"].get("msg_id") == self._ours and message["msg_type"] == "stream":
            now = time.monotonic()
            self.silence, self._heard_at = max(self.silence, now - self._heard_at), now
            self._said[-1] += message["content"]["text"]
