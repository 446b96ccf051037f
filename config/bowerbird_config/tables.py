"""Tables of a release that can be queried: which file each one is, and what its columns mean."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bowerbird_config.model import Frozen, FrozenDict, Line, Model

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def schema_name(collection: str, release: str) -> str:
    """Return the name of the schema that has the tables of a release, as a query writes it without quotes."""
    return f"{collection}_{release}".replace("-", "_")


def _table_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be the name of a table; write a small letter, then at most 62 of a-z, 0-9 and '_'")
    return name


def inside(file: str) -> str:
    """Return a path as it stands below the directory of a release; ValueError where it leads elsewhere."""
    path = PurePosixPath(file)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in file:
        raise ValueError(f"{file!r} is not a file inside the release; write its path from the release's directory")
    return str(path)


def _column_name(name: str) -> str:
    if not name or name.lower() == "_healpix":
        raise ValueError(f"{name!r} cannot be the name of a column; rename it")
    return name


FileInside = Annotated[str, AfterValidator(inside)]
TableName = Annotated[str, AfterValidator(_table_name)]
ColumnName = Annotated[str, AfterValidator(_column_name)]


class ColumnTime(Model):
    """What the times of a column are counted by, in the words of VOTable 1.4."""

    scale: Literal["TAI", "TT", "UT", "UTC", "GPS", "TCG", "TCB", "TDB", "UNKNOWN"]
    place: Literal["TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "EMBARYCENTER", "UNKNOWN"] = Field(
        "UNKNOWN", description="where the times hold"
    )
    origin: Literal["MJD-origin", "JD-origin"] | float | None = Field(
        None, description="where numbers begin, as a name or a Julian date; years and timestamps have none"
    )


class TableColumn(Model):
    """What a column means, where its file does not say it, or says it wrongly."""

    unit: str | None = Field(None, description="as VOUnits writes it: mag, deg, mas.yr-1")
    ucd: str | None = Field(None, description="as UCD1+ writes it: pos.eq.ra;meta.main")
    utype: str | None = None
    description: str | None = None
    time: ColumnTime | None = None
    missing: tuple[int | float | str, ...] = Field((), description="values of the file that stand for none, such as -99; NaN always does")


class TablePosition(Model):
    """Which columns are the main position of a row, in degrees."""

    ra: ColumnName
    dec: ColumnName
    frame: Literal["ICRS", "FK5", "FK4"] = "ICRS"
    epoch: float | None = Field(None, ge=1700, le=2200, description="the Julian year at which the positions hold, such as 2016.0")
    pm_ra: ColumnName | None = Field(None, description="proper motion in right ascension, times cos(dec), in mas/yr")
    pm_dec: ColumnName | None = Field(None, description="proper motion in declination, in mas/yr")

    @model_validator(mode="after")
    def _both_motions(self) -> Self:
        if (self.pm_ra is None) != (self.pm_dec is None):
            raise ValueError("one proper motion without the other says nothing; write both 'pm_ra' and 'pm_dec', or none")
        if self.pm_ra is not None and self.epoch is None:
            raise ValueError("proper motions need the time at which the positions hold; write 'epoch'")
        return self


class ReleaseTable(Model):
    """One table: a Parquet, VOTable, FITS, CSV or ECSV file of the release, sorted by `position` where it has one."""

    file: FileInside
    part: int | str | None = Field(None, description="which table of a FITS file or VOTable: its name, or its number from 1")
    title: Line
    description: str = ""
    utype: str | None = None
    metadata: FileInside | None = Field(None, description="a MAML file of the release that says what the columns mean")
    position: TablePosition | None = None
    columns: Frozen[ColumnName, TableColumn] = Field(default_factory=FrozenDict)
