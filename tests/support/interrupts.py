"""An interrupt at a chosen one of all the times that work waits."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any


@dataclass
class Interrupt:
    """Cancels at the `at`-th wait, counted over all coroutines that run in it."""

    at: int
    waited: int = 0

    @types.coroutine
    def of(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a coroutine, and cancel its task when its turn has come."""
        thrown = None
        while True:
            try:
                pending = work.throw(thrown) if thrown is not None else work.send(None)
            except StopIteration as end:
                return end.value
            self.waited += 1
            if self.waited == self.at:
                task = asyncio.current_task()
                assert task
                task.cancel()
            try:
                thrown = None
                yield pending
            except BaseException as error:  # all is handed on
                thrown = error
