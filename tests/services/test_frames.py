"""The positions of an answer say their frame and epoch."""

from dataclasses import replace

import pyarrow as pa
from bowerbird.votable import read
from bowerbird.votable.field import Datatype
from bowerbird_services.frames import systems
from bowerbird_services.tables import Column, Position, Table, TimeFrame
from bowerbird_services.votable_rows import VOTableWriter

RA = Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", description="right ascension")
DEC = Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main", description="declination")
MAGNITUDE = Column("mag", Datatype.FLOAT, unit="mag", ucd="phot.mag", description="magnitude")
STARS = Table("sky", "stars", (RA, DEC, MAGNITUDE), position=Position("ra", "dec", epoch=2016.0))


def test_columns_of_the_position_refer_to_the_systems_frame_and_epoch() -> None:
    writer = VOTableWriter((RA, DEC, MAGNITUDE), (), "BINARY2", tables=(STARS,))
    batch = pa.RecordBatch.from_arrays([pa.array([1.0]), pa.array([2.0]), pa.array([3.0], pa.float32())], names=["ra", "dec", "mag"])
    found = read(writer.start() + writer.rows(batch) + b"".join(writer.end(False)))
    [system] = found.coosys
    assert (system.system, system.epoch) == ("ICRS", "J2016.0")
    assert [field.ref for field in found.table.header.fields] == [system.id, system.id, None]


def test_times_refer_to_what_they_are_counted_by() -> None:
    begin = Column("t_min", Datatype.DOUBLE, unit="d", ucd="time.start", time=TimeFrame("UTC", "TOPOCENTER", "MJD-origin"))
    columns = (begin, replace(begin, name="t_max"), replace(begin, name="year", time=TimeFrame("TDB", "BARYCENTER")), MAGNITUDE)
    writer = VOTableWriter(columns, (), "TABLEDATA")
    found = read(writer.start() + b"".join(writer.end(False)))
    mjd, years = found.timesys
    assert (mjd.timescale, mjd.refposition, mjd.timeorigin) == ("UTC", "TOPOCENTER", "MJD-origin")
    assert (years.timescale, years.refposition, years.timeorigin) == ("TDB", "BARYCENTER", None)
    assert [field.ref for field in found.table.header.fields] == [mjd.id, mjd.id, years.id, None]


def test_a_position_under_another_name_is_still_one() -> None:
    renamed = replace(RA, name="alpha")
    (system,), system_of = systems((renamed, MAGNITUDE), (STARS,))
    assert system_of == {renamed: system.id}


def test_a_column_that_may_be_of_either_of_two_epochs_refers_to_none() -> None:
    older = replace(STARS, name="older", position=Position("ra", "dec", epoch=2000.0))
    found, system_of = systems((RA, DEC), (STARS, older))
    assert [system.epoch for system in found] == ["J2016.0", "J2000.0"]
    assert not system_of


def test_tables_of_one_epoch_share_a_system() -> None:
    found, system_of = systems((RA,), (STARS, replace(STARS, name="others")))
    assert len(found) == 1
    assert system_of == {RA: found[0].id}


def test_an_answer_without_positions_has_no_system() -> None:
    assert systems((MAGNITUDE,), (STARS,)) == ((), {})
    assert systems((RA,), (replace(STARS, position=None),)) == ((), {})
