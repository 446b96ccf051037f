"""Work that nobody waits for."""

import asyncio
import gc
import logging

import pytest
from bowerbird_hub import background

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


def _tasks(name: str) -> list["asyncio.Task[None]"]:
    return [task for task in asyncio.all_tasks() if task.get_name() == name]


async def test_an_unforeseen_error_is_told_with_the_name_of_the_work(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise LookupError("what nobody foresaw")

    background.begin(work(), "a certain work")
    await asyncio.wait(_tasks("a certain work"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "a certain work: ended by an unforeseen error" in caplog.text
    assert "LookupError: what nobody foresaw" in caplog.text


async def test_work_is_kept_until_its_end_and_no_word_is_said_of_that(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        # Nobody else knows what it waits for.
        await asyncio.get_running_loop().create_future()

    background.begin(work(), "long work")
    await asyncio.sleep(0)
    gc.collect()
    (task,) = _tasks("long work")
    task.cancel()
    await asyncio.wait([task])
    del task
    gc.collect()
    assert caplog.records == []
