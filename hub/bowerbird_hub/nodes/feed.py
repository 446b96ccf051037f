"""The identity feed for the nodes of a cluster: the same lines as `identity.sock` has, for those who read them over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from bowerbird_hub.identity.feed import MAX_WAITING_BYTES, Message, line


class _Subscriber:
    def __init__(self, first: bytes) -> None:
        self.waiting: list[bytes] = [first]
        self.size = len(first)
        self.wake = asyncio.Event()
        self.wake.set()
        self.dropped = False

    def put(self, data: bytes, limit: int) -> None:
        self.waiting.append(data)
        self.size += len(data)
        # One that does not read is let go, and asks again from the start.
        self.dropped = self.dropped or self.size > limit
        self.wake.set()

    def drop(self) -> None:
        self.dropped = True
        self.wake.set()

    async def lines(self) -> AsyncIterator[bytes]:
        while True:
            await self.wake.wait()
            self.wake.clear()
            if self.dropped:
                return
            data, self.waiting, self.size = b"".join(self.waiting), [], 0
            yield data


class NodeFeed:
    """Gives each subscriber what `snapshot` returns, then every message that is published."""

    def __init__(self, snapshot: Callable[[], Iterable[Message]], *, waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._snapshot = snapshot
        self._waiting_bytes = waiting_bytes
        self._subscribers: set[_Subscriber] = set()

    @property
    def subscribers(self) -> int:
        """How many nodes listen."""
        return len(self._subscribers)

    def publish(self, messages: Iterable[Message]) -> None:
        """Send messages to every subscriber; one that does not read them is dropped, never waited for."""
        data = b"".join(line(message) for message in messages)
        for subscriber in self._subscribers:
            subscriber.put(data, self._waiting_bytes)

    @contextmanager
    def subscription(self) -> Iterator[AsyncIterator[bytes]]:
        """Yield the lines for one who subscribes, in pieces of whole lines; they end when it is dropped."""
        # No await between the snapshot and the subscription: a change in between would reach nobody.
        subscriber = _Subscriber(b"".join(line(message) for message in self._snapshot()))
        self._subscribers.add(subscriber)
        try:
            yield subscriber.lines()
        finally:
            self._subscribers.discard(subscriber)

    def close(self) -> None:
        """Let every subscriber go."""
        for subscriber in tuple(self._subscribers):
            subscriber.drop()
