"""One table as its file has it: what it says of its columns, and the rows as they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from bowerbird_services.tables import Column, Position

BATCH_ROWS = 65_536


class BadSource(Exception):
    """A file cannot become a table; the text is one sentence that begins after the file's name."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a file says of its table: each column's `raw_unit` is its text, and `unit` is left to whoever knows units."""

    columns: tuple[Column, ...]
    description: str = ""
    position: Position | None = None


class Source(Protocol):
    """An opened file; leaving it closes it."""

    @property
    def described(self) -> Described:
        """What the file says of its table."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, with the columns in their order; BadSource where the file breaks off."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def one_of(part: int | str | None, names: list[str]) -> int:
    """Return the place of the table that `part` asks for, by name without case or by number from 1; the first where it asks none."""
    if not names:
        raise BadSource("has no table in it")
    if part is None:
        return 0
    if isinstance(part, int):
        if 1 <= part <= len(names):
            return part - 1
        raise BadSource(f"has {len(names)} tables, so that none has the number {part}")
    wanted = [name.lower() for name in names]
    if part.lower() in wanted:
        return wanted.index(part.lower())
    raise BadSource(f"has no table {part!r}; it has {', '.join(map(repr, names))}")
