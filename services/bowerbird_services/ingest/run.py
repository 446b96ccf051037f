"""All tables and products of all releases: `python -m bowerbird_services.ingest.run DIRECTORY`, with the order on standard input.

Ends with 3 where something could not be made; what could be made is there all the same. Lines on standard output say how
far it is. One runs at a time; what a killed one left is swept by the next.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bowerbird_config.ingests.keeping import LACKING
from bowerbird_config.table_order import ReleaseOrder, TableOrder
from bowerbird_config.tables import ReleaseTable

from bowerbird_services.alone import alone
from bowerbird_services.ingest.closed_files import closed_files, told
from bowerbird_services.ingest.product_files import products
from bowerbird_services.ingest.source import BadSource
from bowerbird_services.ingest.table import WORK, ingest, is_whole
from bowerbird_services.store import coverage, sidecar
from bowerbird_services.store.products import NAME as PRODUCTS
from bowerbird_services.store.shelf import INDEX, read_index, write_index

# So begins the name of a mark beside the lock: of a release at work.
_BEGUN = ".begun-"
_LONGEST_REASON = 300
_NOWHERE = "rows have a position that is none, such as one beyond a pole; searches by position pass them over: look at the file"


def run(order: TableOrder, root: Path, say: Callable[[str], None]) -> int:
    """Make what the order asks for and take away what it does not; returns of how many tables and releases' products that failed."""
    with alone(root):
        lacking, dumb = 0, 0
        # One at which an ingest was killed, perhaps for the memory that it took, keeps the others waiting no second time.
        releases = sorted(order.releases, key=lambda release: bool(_left_in(root / release.collection / release.release)))
        for number, release in enumerate(in_turn(releases, root), start=1):
            say(f"{number} of {len(order.releases)}: {release.name} …")
            not_made, is_told = _release(release, root, say)
            lacking, dumb = lacking + not_made, dumb + (not is_told)
        places = [(release.collection, release.release) for release in order.releases]
        _sweep(root, places)
        say(all_there(sum(len(release.tables) for release in order.releases) - lacking, "table"))
        return lacking + dumb


def all_there(count: int, what: str) -> str:
    """Return the last line of an ingest, which stands beside the word that something is made."""
    return f"done, {count} {what} is there" if count == 1 else f"done, {count} {what}s are there"


def in_turn(releases: Sequence[ReleaseOrder], root: Path) -> Iterator[ReleaseOrder]:
    """Yield each release, and last those at which one was killed: each has a mark while it is at work, which then stays."""
    marks = {release.name: root / f"{_BEGUN}{release.collection}+{release.release}" for release in releases}
    for release in sorted(releases, key=lambda release: marks[release.name].exists()):
        with suppress(OSError):  # a full disk: then it is first again
            marks[release.name].touch()
        yield release
        marks[release.name].unlink(missing_ok=True)
    for mark in root.glob(f"{_BEGUN}*"):
        mark.unlink(missing_ok=True)


def why(error: Exception, folder: Path) -> str:
    """Return one line that says why something could not be made in a folder: the same each time, though a directory for work is another."""
    first = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
    return re.sub(rf"{re.escape(str(folder / WORK))}[^\s/'\"]*", lambda _: str(folder), first)[:_LONGEST_REASON]


def _release(release: ReleaseOrder, root: Path, say: Callable[[str], None]) -> tuple[int, bool]:
    """Return how many tables could not be made, and whether the products are told."""
    folder, place = root / release.collection / release.release, (release.collection, release.release)
    folder.mkdir(parents=True, exist_ok=True)
    left = _left_in(folder)
    changed = _tidy(folder, {f"{name}{sidecar.SUFFIX}" for name in release.tables})
    tables = sorted(release.tables.items(), key=lambda table: table[0] in left)
    made = [_table(release, name, asked, folder, say) for name, asked in tables]
    closed = list(closed_files(release.directory))
    if closed:
        say(f"left out of {release.name}, because the service may not read them: {told(closed)}")
    is_told = True
    try:
        _write_products(release, folder)
    except Exception as error:  # whatever a file holds that nobody thought of: the other releases are made all the same
        say(f"products of {release.name}: {why(error, folder)}")
        is_told = False
    if changed or place not in read_index(root) or _newer(folder, root / INDEX):
        # After each release, so that the first tables do not wait for the last.
        write_index(root, sorted({*read_index(root), place}))
    return made.count(False), is_told


def _table(release: ReleaseOrder, name: str, asked: ReleaseTable, folder: Path, say: Callable[[str], None]) -> bool:
    """Make a table where that is needed; tells whether it is there as it is asked for."""
    known = sidecar.read(folder / f"{name}{sidecar.SUFFIX}")
    lost = known is not None and not is_whole(known)
    try:
        made = ingest(release.directory, (release.collection, release.release), name, asked, folder)
    except BadSource as error:
        say(f"table {name} of {release.name}: {asked.file} {why(error, folder)}")
        return False
    except Exception as error:  # whatever a file holds that nobody thought of: the other tables are made all the same
        say(f"table {name} of {release.name}: {why(error, folder)}")
        return False
    if made and lost:
        say(f"rows of {name} of {release.name} were damaged or gone; made again")
    if made and made.nowhere:
        # It is made: no line about what is lacking.
        say(f"in table {name} of {release.name}: {made.nowhere} {_NOWHERE}")
    return True


def _left_in(folder: Path) -> set[str]:
    """Return the tables of a release at which an ingest was killed."""
    return {path.name.removeprefix(WORK).rpartition("-")[0] for path in folder.glob(f"{WORK}*")}


def _write_products(release: ReleaseOrder, folder: Path) -> None:
    """Write what products there are; what a release had whose directory is away stays told, for it may be back in a moment."""
    if (folder / PRODUCTS).exists() and not release.directory.is_dir():
        return
    found = [product.to_json() for product in products(release.directory, {table.file for table in release.tables.values()})]
    content, target = {"products": found}, folder / PRODUCTS
    if sidecar.read_json(target) != content:
        sidecar.replace_json(target, content)


def _newer(folder: Path, index: Path) -> bool:
    """Tell whether something was made after the index: now, or by an ingest that was killed before it said so."""
    said = index.stat().st_mtime_ns
    return any(path.stat().st_mtime_ns >= said for path in folder.glob("*.json"))


def _tidy(folder: Path, asked: set[str]) -> bool:
    """Take away what a killed ingest left, tables that nobody asks for, and rows that no sidecar names any more."""
    gone = [path for path in folder.glob(f"*{sidecar.SUFFIX}") if path.name not in asked]
    for path in gone:
        path.unlink()
    kept = (sidecar.read(folder / name) for name in asked)
    files = [file for known in kept if known for file in known.table.files]
    named = {path.name for file in files for path in (file, coverage.path_of(file))}
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif (path.name.endswith((".parquet", coverage.SUFFIX)) and path.name not in named) or path.suffix == ".new":
            path.unlink()
    return bool(gone)


def _sweep(root: Path, places: list[tuple[str, str]]) -> None:
    if set(read_index(root)) != set(places):
        write_index(root, places)
    asked = {root.joinpath(*place) for place in places}
    for folder in root.glob("*/*"):
        if folder not in asked and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Read the order and follow it."""
    # Rows of a release are its team's: nobody else of this machine reads them.
    os.umask(0o077)
    order = TableOrder.model_validate_json(sys.stdin.buffer.read())
    return LACKING if run(order, Path(sys.argv[1]), lambda line: print(f"tables: {line}", flush=True)) else 0


if __name__ == "__main__":
    sys.exit(main())
