"""VOTables of 10⁶ rows and 8 columns, written and parsed: ours beside astropy's, which gets fewer rows of the same table."""

import io
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import votable as peer
from astropy.table import QTable
from astropy.table import Table as AstropyTable
from bowerbird.votable import Field, Header, Writer, read

from tests.bench.row import Row, paired

_ROWS = 1_000_000
# astropy needs more than a minute for all rows; its time goes with their number, and its rate is what is compared.
_PEER_ROWS = 20_000
_BATCH = 50_000
_PEER = "astropy"
_WRITE_GOAL, _PARSE_GOAL, _TEXT_GOAL, _TABLE_GOAL = 50.0, 25.0, 8.0, 10.0


@dataclass(frozen=True)
class Work:
    """A table, as the columns we are given and as the documents that are parsed."""

    fields: Sequence[Field]
    columns: Sequence[Any]

    def ours(self) -> bytes:
        """Write all rows in batches, as a service does."""
        writer = Writer(Header(self.fields))
        batches = [writer.rows([column[at : at + _BATCH] for column in self.columns]) for at in range(0, _ROWS, _BATCH)]
        return b"".join([writer.start(), *batches, writer.end()])

    def few(self) -> Any:
        """Return the first rows, as astropy has a VOTable before it is written."""
        table = AstropyTable([column[:_PEER_ROWS] for column in self.columns], names=[field.name for field in self.fields])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return peer.from_table(table)

    def check(self, ours: bytes, theirs: bytes) -> None:
        """Prove that what is measured is right: both documents hold the same values, for both readers."""
        found = read(ours).table
        wanted = parsed(theirs)
        also = read(theirs).table
        for field, column, other, given in zip(self.fields, found, also, self.columns, strict=True):
            theirs_read = wanted[field.name]
            if field.is_text:  # astropy reads the value under a null of text, and no null
                theirs_read = np.ma.MaskedArray(theirs_read, np.ma.getmaskarray(other))
            if not all(_same(*pair) for pair in ((column, given), (column[:_PEER_ROWS], other), (other, theirs_read))):
                raise AssertionError(f"column {field.name} is not what was written")


def _same(ours: Any, theirs: Any) -> bool:
    mine, others = (np.ma.getmaskarray(column) for column in (ours, theirs))
    return bool((mine == others).all() and (np.ma.getdata(ours)[~mine] == np.ma.getdata(theirs)[~mine]).all())


def fixed() -> Work:
    """Return 8 columns of fixed width without nulls."""
    dice = np.random.default_rng(5)
    fields = [Field("id", "long"), Field("ra", "double"), Field("dec", "double"), Field("g", "float"), Field("r", "float")]
    fields += [Field("flags", "int"), Field("exposures", "short"), Field("good", "boolean")]
    columns = [
        dice.integers(0, 2**62, _ROWS),
        dice.uniform(0, 360, _ROWS),
        dice.uniform(-90, 90, _ROWS),
        dice.normal(20, 1, _ROWS).astype("f4"),
        dice.normal(20, 1, _ROWS).astype("f4"),
        dice.integers(0, 1000, _ROWS).astype("i4"),
        dice.integers(0, 100, _ROWS).astype("i2"),
        dice.random(_ROWS) < 0.5,
    ]
    return Work(fields, columns)


def strings() -> Work:
    """Return 8 columns, of which two are text of different lengths and three have nulls."""
    dice = np.random.default_rng(6)
    whole = fixed()
    nulls = dice.random(_ROWS) < 0.1
    names = np.array([f"SRC J{number}" for number in dice.integers(1, 10**9, _ROWS).tolist()], dtype=object)
    kinds = np.array(["star", "galaxy", "quasar"], dtype=object)[dice.integers(0, 3, _ROWS)]
    columns = [np.ma.MaskedArray(column, nulls) if n in (3, 5) else column for n, column in enumerate(whole.columns[:6])]
    fields = [*whole.fields[:6], Field("name", "char", "*"), Field("class", "char", "*")]
    return Work(fields, [*columns, names, np.ma.MaskedArray(kinds, nulls)])


def parsed(text: bytes) -> Any:
    """Parse as astropy's documentation shows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer.parse_single_table(io.BytesIO(text)).array


def _written(table: Any) -> bytes:
    file = io.BytesIO()
    table.to_xml(file, tabledata_format="binary2")
    return file.getvalue()


def _qtable(text: bytes) -> QTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return QTable(peer.parse_single_table(io.BytesIO(text)).to_table())


def _rate(work: Callable[[], object], rows: int) -> float:
    start = time.perf_counter()
    work()
    return rows / (time.perf_counter() - start)


def _measure(work: Work, rounds: int, name: str, what: str, goals: tuple[float, float]) -> list[Row]:
    few = work.few()
    ours, theirs = work.ours(), _written(few)
    work.check(ours, theirs)
    measured = (
        ("write", f"write BINARY2, {what}", goals[0], work.ours, lambda: _written(few)),
        ("parse", f"parse BINARY2, {what}", goals[1], lambda: read(ours), lambda: parsed(theirs)),
        ("qtable", f"BINARY2 to QTable, {what}", _TABLE_GOAL, lambda: read(ours).to_qtable(), lambda: _qtable(theirs)),
    )
    made = []
    for part, title, goal, mine, other in measured:
        pair = paired(rounds, lambda mine=mine: _rate(mine, _ROWS), lambda other=other: _rate(other, _PEER_ROWS))  # type: ignore[misc]  # bound now
        row = Row.against(f"P11-{part}-{name}", title, *pair, peer_name=_PEER, unit="row/s", goal=goal, better="higher")
        made.append(row)
    return made


def rows(rounds: int) -> list[Row]:
    """Measure a table of fixed width, and one with text and nulls."""
    what = f"8 columns, {_ROWS:.0e} rows (astropy: {_PEER_ROWS:,} of them)"
    return [
        *_measure(fixed(), rounds, "fixed", f"fixed width, {what}", (_WRITE_GOAL, _PARSE_GOAL)),
        *_measure(strings(), rounds, "text", f"text and nulls, {what}", (_TEXT_GOAL, _TEXT_GOAL)),
    ]
