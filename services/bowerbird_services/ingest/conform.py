"""From a file's columns to the table's: described, without sentinels, and with the order of the sky."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.coordinates import Latitude, Longitude
from bowerbird.votable.field import TEXTS, Datatype
from bowerbird_config.tables import ColumnTime, ReleaseTable
from cdshealpix.nested import lonlat_to_healpix

from bowerbird_services.ingest.maml import Maml, Told
from bowerbird_services.ingest.source import BadSource, Described
from bowerbird_services.ingest.units import vounit
from bowerbird_services.store.columns import arrow_schema
from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER, Column, Position, TimeFrame

_NUMBERS = (Datatype.FLOAT, Datatype.DOUBLE)
_INTEGERS = (Datatype.UNSIGNED_BYTE, Datatype.SHORT, Datatype.INT, Datatype.LONG)
_POLE = 90.0


class Conformed:
    """The table as it shall be; `batches` makes its rows of the file's, once.

    `rows` were made so far, and of those `nowhere` have numbers for a position that are none, such as one beyond a pole.
    """

    def __init__(self, asked: ReleaseTable, described: Described, maml: Maml) -> None:
        _no_twins(described.columns)
        self._told = {column.name: _all_told(asked, maml, column) for column in described.columns}
        self._columns = tuple(_described(column, self._told[column.name]) for column in described.columns)
        self._unknown(asked, maml)
        self.position = _position(asked, described)
        self._place()
        self._not_ascii: set[str] = set()
        self.rows = 0
        self.nowhere = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows, the order of the sky last."""
        order = [pa.field(HEALPIX_COLUMN, pa.int64())] if self.position else []
        return pa.schema([*arrow_schema(self._columns), *order])

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns; after the rows, so that texts are known to be ASCII or not."""
        indexed = {self.position.ra, self.position.dec} if self.position else set()
        kinds = {True: Datatype.UNICODE_CHAR, False: Datatype.CHAR}
        return tuple(
            replace(
                column,
                datatype=kinds[column.name in self._not_ascii] if column.datatype in TEXTS else column.datatype,
                indexed=column.name in indexed,
            )
            for column in self._columns
        )

    def batches(self, raw: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they shall be; BadSource where a value does not fit its column."""
        for batch in raw:
            self.rows += batch.num_rows
            arrays = [self._values(array, column) for array, column in zip(batch.columns, self._columns, strict=True)]
            if self.position:
                names = [column.name for column in self._columns]
                ra, dec = arrays[names.index(self.position.ra)], arrays[names.index(self.position.dec)]
                arrays.append(_order(ra, dec))
                self.nowhere += pc.sum(pc.and_(pc.and_(ra.is_valid(), dec.is_valid()), arrays[-1].is_null())).as_py() or 0
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _values(self, raw: pa.Array, column: Column) -> pa.Array:
        kind = arrow_schema([column])[0].type
        values = raw.dictionary_decode() if isinstance(raw, pa.DictionaryArray) else raw
        try:
            values = _timestamps(values) if pa.types.is_temporal(values.type) else values.cast(kind)
        except pa.ArrowException as error:
            raise BadSource(f"has a value in the column {column.name!r} that does not fit its type {column.datatype}") from error
        values = _without(values, self._told[column.name].missing)
        if column.datatype in _NUMBERS and not pa.types.is_nested(kind):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        if column.datatype in TEXTS and column.name not in self._not_ascii and pc.all(pc.string_is_ascii(values)).as_py() is False:
            self._not_ascii.add(column.name)
        return values

    def _unknown(self, asked: ReleaseTable, maml: Maml) -> None:
        known = {column.name.lower() for column in self._columns}
        for name in asked.columns:
            if name.lower() not in known:
                raise BadSource(f"has no column {name!r}, which the platform file describes; it has {_names(self._columns)}")
        for name in maml.columns:
            if name not in known:
                raise BadSource(f"has no column {name!r}, which its metadata file describes; it has {_names(self._columns)}")

    def _place(self) -> None:
        """Let the position name columns that are there, as they are written, and that say what they are."""
        if self.position is None:
            return
        place = self.position
        place = replace(place, ra=self._column(place.ra), dec=self._column(place.dec))
        if place.pm_ra is not None and place.pm_dec is not None:
            place = replace(place, pm_ra=self._column(place.pm_ra), pm_dec=self._column(place.pm_dec))
        self.position = place
        # Whole degrees of a text file read as integers.
        named = {place.ra, place.dec, place.pm_ra, place.pm_dec}
        self._columns = tuple(
            replace(column, datatype=Datatype.DOUBLE) if column.name in named and column.datatype in _INTEGERS else column
            for column in self._columns
        )
        words = {place.ra: "pos.eq.ra", place.dec: "pos.eq.dec"}
        self._columns = tuple(_main(column, words[column.name]) if column.name in words else column for column in self._columns)

    def _column(self, name: str) -> str:
        """Return the name of a column of the position as the file writes it."""
        column = next((column for column in self._columns if column.name.lower() == name.lower()), None)
        if column is None:
            raise BadSource(f"has no column {name!r}, which its position names; it has {_names(self._columns)}")
        if column.datatype not in (*_NUMBERS, *_INTEGERS) or column.arraysize is not None:
            raise BadSource(f"has the column {name!r}, which its position names and which holds no numbers")
        return column.name


def _main(column: Column, word: str) -> Column:
    """Let a column of the position say that it is the main one, where it says nothing else."""
    return replace(column, ucd=f"{word};meta.main") if column.ucd in {None, word} else column


def _no_twins(columns: Iterable[Column]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            raise BadSource(f"has two columns {column.name!r}, which a query could not tell from each other")
        if not column.name or column.name.lower() == HEALPIX_COLUMN:
            raise BadSource(f"has a column {column.name!r}, which cannot be its name here")
        seen.add(column.name.lower())


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(repr(column.name) for column in columns)


def _all_told(asked: ReleaseTable, maml: Maml, column: Column) -> Told:
    """Return what the platform file says, else the metadata file; values for none are joined."""
    name = column.name.lower()
    ours = next((known for key, known in asked.columns.items() if key.lower() == name), None)
    theirs = maml.columns.get(name, Told())
    if ours is None:
        return theirs
    return Told(
        ours.unit or theirs.unit,
        ours.ucd or theirs.ucd,
        ours.utype or theirs.utype,
        ours.description if ours.description is not None else theirs.description,
        (*ours.missing, *theirs.missing),
        _time(ours.time),
    )


def _time(asked: ColumnTime | None) -> TimeFrame | None:
    if asked is None:
        return None
    return TimeFrame(asked.scale, asked.place, None if asked.origin is None else str(asked.origin))


def _described(column: Column, told: Told) -> Column:
    raw = told.unit or column.raw_unit
    return replace(
        column,
        raw_unit=raw,
        unit=vounit(raw),
        ucd=told.ucd or column.ucd,
        utype=told.utype or column.utype,
        time=told.time,
        description=(column.description if told.description is None else told.description).strip(),
    )


def _position(asked: ReleaseTable, described: Described) -> Position | None:
    if asked.position is None:
        return described.position
    return Position(**asked.position.model_dump())


def _without(values: pa.Array, missing: tuple[float | int | str, ...]) -> pa.Array:
    """Return values with null where one of those stands."""
    is_text = pa.types.is_string(values.type)
    for sentinel in missing:
        if pa.types.is_nested(values.type) or pa.types.is_boolean(values.type) or isinstance(sentinel, str) != is_text:
            continue
        if not is_text and (math.isnan(float(sentinel)) or not _fits(sentinel, values.type)):
            continue
        values = pc.if_else(pc.equal(values, pa.scalar(sentinel, values.type)), pa.scalar(None, values.type), values)
    return values


def _fits(sentinel: float | int | str, kind: pa.DataType) -> bool:
    try:
        pa.scalar(sentinel, kind)
    except (pa.ArrowException, OverflowError, TypeError):
        return False
    return True


def _timestamps(values: pa.Array) -> pa.Array:
    pattern = "%Y-%m-%d" if pa.types.is_date(values.type) else "%Y-%m-%dT%H:%M:%S"
    return pc.strftime(values, pattern)


def _order(ra: pa.Array, dec: pa.Array) -> pa.Array:
    """Return the nested HEALPix index of each position; null where there is none."""
    lon = ra.cast(pa.float64()).to_numpy(zero_copy_only=False)
    lat = dec.cast(pa.float64()).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        there = np.isfinite(lon) & (np.abs(lat) <= _POLE)
    index = np.zeros(len(lon), dtype=np.int64)
    if there.any():
        index[there] = lonlat_to_healpix(Longitude(lon[there] % 360, "deg"), Latitude(lat[there], "deg"), HEALPIX_ORDER).astype(np.int64)
    return pa.array(index, mask=~there)
