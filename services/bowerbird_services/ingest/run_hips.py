"""The HiPS of all releases: `python -m bowerbird_services.ingest.run_hips DIRECTORY`, with the order on standard input.

Ends with 3 where one could not be made; what could be made is there all the same. Lines on standard output say how far it
is. One runs at a time; the next goes on with what a killed one left.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bowerbird_config.ingests.keeping import LACKING
from bowerbird_config.table_order import ReleaseOrder, TableOrder

from bowerbird_services.alone import alone
from bowerbird_services.ingest import hips
from bowerbird_services.ingest.hips import ROOM, Room
from bowerbird_services.ingest.product_files import products
from bowerbird_services.ingest.run import all_there, in_turn, why
from bowerbird_services.ingest.sky_image import NoImage
from bowerbird_services.store import surveys

_IMAGES = frozenset({"image", "cube"})


def run(order: TableOrder, root: Path, say: Callable[[str], None], room: Room = ROOM) -> int:
    """Make the HiPS of the releases that have images, and take away the others; returns of how many they could not be made."""
    with alone(root):
        wrong, made = 0, 0
        for release in in_turn(order.releases, root):
            try:
                made += len(_release(release, root, say, room).surveys)
            except Exception as error:  # whatever a header says that nobody thought of: the others have their surveys all the same
                say(f"survey of {release.name}: {why(error, surveys.folder_of(root, release.collection, release.release))}")
                wrong += 1
        _sweep(root, {surveys.folder_of(root, release.collection, release.release) for release in order.releases})
        say(all_there(made, "survey"))
        return wrong


def _release(release: ReleaseOrder, root: Path, say: Callable[[str], None], room: Room) -> surveys.Drawn:
    folder = surveys.folder_of(root, release.collection, release.release)
    if not release.directory.is_dir() and surveys.read(folder).surveys:
        raise NoImage("the directory of the release is away; what was drawn stays")
    without = {table.file for table in release.tables.values()}
    images = [product for product in products(release.directory, without) if product.dataproduct_type in _IMAGES]
    waves = {one.file: (one.em_min, one.em_max) for one in images if one.em_min is not None and one.em_max is not None}
    sources = hips.Sources(release.directory, tuple(one.file for one in images), waves)
    return hips.make(sources, folder, lambda line: say(f"{release.name}: {line}"), room)


def _sweep(root: Path, asked: set[Path]) -> None:
    for folder in root.glob("*/*"):
        if folder not in asked and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Read the order and follow it."""
    # Images of a release are its team's: nobody else of this machine sees them.
    os.umask(0o077)
    order = TableOrder.model_validate_json(sys.stdin.buffer.read())
    return LACKING if run(order, Path(sys.argv[1]), lambda line: print(f"surveys: {line}", flush=True)) else 0


if __name__ == "__main__":
    sys.exit(main())
