"""How an ingest ended, as the one who keeps tables and surveys tells it; and what its program says on the way."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bowerbird_config.ingests import program
from bowerbird_config.ingests.keeping import LACKING, MAKING, NOT_WHOLE, READY, keep
from bowerbird_config.ingests.making import Making
from bowerbird_config.table_order import TableOrder

pytestmark = [pytest.mark.asyncio]
LACK = "table stars of sky/dr1: stars.csv is empty"


class Shop:
    """Runs a few lines of Python as an ingest."""

    def __init__(self, code: str) -> None:
        self._code = code

    def order(self) -> TableOrder:
        return TableOrder(releases=())

    def log_of(self, _making: Making) -> None:
        return None

    async def run(self, _making: Making, _order: TableOrder, heard: Callable[[str], None]) -> int:
        return await program.run([sys.executable, "-c", self._code], None, heard, {})


async def ended(code: str) -> tuple[str, Sequence[str]]:
    """Return how an ingest that runs the code is told to have ended."""
    told: asyncio.Queue[tuple[str, Sequence[str]]] = asyncio.Queue()

    def tell(state: str, said: Sequence[str]) -> None:
        if state != MAKING:
            told.put_nowait((state, said))

    keeping = asyncio.create_task(keep(Making("tables", "none", Path(), 60, lambda _: "", lambda: ""), Shop(code), tell))
    try:
        return await asyncio.wait_for(told.get(), 60)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_what_is_lacking_is_told_as_it_was_said() -> None:
    assert await ended(f"print('tables: {LACK}'); exit({LACKING})") == (NOT_WHOLE, (LACK,))
    assert await ended("print('tables: in table stars of sky/dr1: 3 rows have a position that is none')") == (READY, ())


async def test_one_that_breaks_after_it_told_of_a_lack_is_told_to_have_broken() -> None:
    state, (sentence,) = await ended(f"print('tables: {LACK}', flush=True); raise AttributeError('odd')")
    assert state == NOT_WHOLE
    assert sentence == "the ingest ended with exit status 1 and is tried again; its last word: AttributeError: odd"


@pytest.mark.parametrize("length", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1_000_000])
async def test_a_line_that_is_too_long_ends_nothing(length: int, tmp_path: Path) -> None:
    heard: list[str] = []
    code = f"print('x' * {length}); print('after', end='')"
    assert await program.run([sys.executable, "-c", code], tmp_path / "log", heard.append, {}) == 0
    first, last = heard
    assert set(first) == {"x"}
    assert len(first) <= 1 << 17
    assert last == "after"
    assert (tmp_path / "log").read_text() == "x" * length + "\nafter"
