"""One table of a release: made when its file or its description changed, whole or not at all."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bowerbird_config.tables import ReleaseTable, schema_name

from bowerbird_services.ingest import maml, room
from bowerbird_services.ingest.conform import Conformed
from bowerbird_services.ingest.fits_source import FitsSource
from bowerbird_services.ingest.parquet_source import ParquetSource
from bowerbird_services.ingest.sorting import write_sorted
from bowerbird_services.ingest.source import BadSource, Source
from bowerbird_services.ingest.text_source import TextSource
from bowerbird_services.ingest.votable_source import VOTableSource
from bowerbird_services.regular_files import opened, path_of, stat_of
from bowerbird_services.store import coverage, sidecar
from bowerbird_services.store.sidecar import Sidecar
from bowerbird_services.tables import Table

# Grows when the same file would become another table.
VERSION = 1
# So begins the name of a directory in which a table is being made; one that is left is of a table at which an ingest was killed.
WORK = ".work-"
_FITS = (".fits", ".fit", ".fts")
_VOTABLE = (".vot", ".votable", ".xml")
_TEXT = (".csv", ".tsv", ".ecsv")


def open_source(path: Path, part: int | str | None) -> Source:
    """Open a file by what its name says it is; BadSource where it cannot be opened."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    if kind in (".parquet", ".parq"):
        return ParquetSource(path)
    if kind in _FITS:
        return FitsSource(path, part)
    if kind in _VOTABLE:
        return VOTableSource(path, part)
    if kind in _TEXT:
        return TextSource(path)
    raise BadSource("is no file that can become a table; those end in .parquet, .fits, .vot, .xml, .csv, .tsv or .ecsv")


def fingerprint(directory: Path, asked: ReleaseTable) -> str:
    """Return what changes with the files and the description of a table; BadSource where a file is not there."""
    told: list[object] = [VERSION, asked.model_dump(mode="json")]
    for name in (asked.file, asked.metadata):
        if name is None:
            continue
        try:
            stat = stat_of(directory, name)
        except OSError as error:
            raise BadSource(f"needs the file {name}, which cannot be read ({error.strerror})") from error
        told.append((name, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def is_whole(known: Sidecar) -> bool:
    """Tell whether the files of a table are as they were written."""
    try:
        rows = sum(pq.read_metadata(file).num_rows for file in known.table.files)
        sizes = {file.name: file.stat().st_size for file in known.table.files}
    except (OSError, pa.ArrowException):
        return False
    return rows == known.table.rows and sizes == known.sizes


@dataclass(frozen=True, slots=True)
class Made:
    """What is to be told of a table that was made: how many rows have numbers for a position that are none."""

    nowhere: int


def ingest(directory: Path, place: tuple[str, str], name: str, asked: ReleaseTable, folder: Path) -> Made | None:
    """Make a table from a release in `directory`; None where that was not needed.

    The Parquet file has a name of its own for each making; the sidecar that names it is written last. BadSource where
    the file cannot become a table, NoRoom where the disk has no more to give: then all is as it was.
    """
    mark, target = fingerprint(directory, asked), folder / f"{name}{sidecar.SUFFIX}"
    known = sidecar.read(target)
    if known and known.fingerprint == mark and is_whole(known):
        _count(known.table)
        return None
    room.check(folder)
    described = _described(directory, asked.metadata) if asked.metadata else maml.Maml()
    with tempfile.TemporaryDirectory(prefix=f"{WORK}{name}-", dir=folder) as work:
        made = Path(work) / "rows.parquet"
        with _opened(directory, asked, Path(work)) as source:
            conformed = Conformed(asked, source.described, described)
            rows = write_sorted(conformed.schema, conformed.batches(source.batches()), made, Path(work))
        if rows != conformed.rows or fingerprint(directory, asked) != mark:
            raise BadSource("changed while it was read; it is read again soon")
        file = folder / f"{name}-{hashlib.sha256(f'{mark}{made.stat().st_mtime_ns}'.encode()).hexdigest()[:12]}.parquet"
        made.replace(file)
    table = Table(
        schema_name(*place),
        name,
        conformed.columns,
        description=asked.description or described.description,
        title=asked.title,
        utype=asked.utype,
        release=place,
        position=conformed.position,
        files=(file,),
        rows=rows,
    )
    _count(table)
    sidecar.write(target, Sidecar(table, mark, {file.name: file.stat().st_size}))
    return Made(conformed.nowhere)


def _count(table: Table) -> None:
    """Count where on the sky its rows are, unless that was done."""
    for file in table.files if table.position is not None else ():
        if coverage.read(file) is None:
            coverage.write(file)


def _described(directory: Path, name: str) -> maml.Maml:
    try:
        with opened(directory, name) as descriptor:
            return maml.read(path_of(descriptor).read_bytes(), name)
    except OSError as error:
        raise BadSource(f"has the metadata file {name}, which cannot be read ({error.strerror})") from error


@contextmanager
def _opened(directory: Path, asked: ReleaseTable, work: Path) -> Iterator[Source]:
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(opened(directory, asked.file))
        except PermissionError as error:
            raise BadSource("cannot be read by the service; make it readable for others, or its group") from error
        # Readers tell by its name what a file is, and open it more than once: all of them this one.
        path = work / "source" / Path(asked.file).name
        path.parent.mkdir()
        path.symlink_to(path_of(descriptor))
        yield stack.enter_context(open_source(path, asked.part))
