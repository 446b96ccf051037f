"""What stands below the stamps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bowerbird.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Labels:
    """Words for rows: of a column, of a list, or the numbers of the rows."""

    words: Sequence[Any] | None = None
    column: str | None = None

    def of(self, row: int) -> str:
        """Return what stands below a stamp."""
        return str(row) if self.words is None else str(self.words[row])

    def arguments(self) -> list[str]:
        """Return, as Python, the argument that gives the same; nothing for a list, which has no name."""
        return [f"label={self.column!r}"] if self.column is not None else []


def labels(label: Any, positions: Any, count: int) -> Labels:
    """Return labels of a column by its name, or of a list; ValueError where neither fits."""
    if label is None:
        return Labels()
    columns = getattr(positions, "colnames", ())
    if isinstance(label, str):
        if label not in columns:
            raise BadArgument(f"label is {label!r}; it is one of the table's columns: {', '.join(columns) or 'this is no table'}")
        return Labels(positions[label], label)
    if len(label) != count:
        raise BadArgument(f"there are {len(label)} labels for {count} positions; give one each")
    return Labels(label)
