"""The gallery in its two processes, as production starts them: `python -m tests.services.gallery_processes DIRECTORY [--options]`.

It prints two addresses: the one for images, and the one at which the main process answers alone.
"""

import argparse
import asyncio
import os
from dataclasses import replace
from pathlib import Path

from bowerbird_services import processes, worker_line
from bowerbird_services.allowances import Allowance
from bowerbird_services.app import create, create_images
from bowerbird_services.cores import cores
from bowerbird_services.image_worker import ImageWorker
from bowerbird_services.listening import listening
from bowerbird_services.site import Site
from bowerbird_services.slots import Slots
from bowerbird_services.vo.jobs import JobStore

from tests.services.gallery import directories, fill, hung, ingest
from tests.services.serving import address_of

# A release that is open to its team alone.
MOSAIC = "demo/dr2/mosaic.fits"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--mosaic", type=Path, help="a file on the same disk, which is linked to as MOSAIC")
    parser.add_argument("--at-once", type=int, default=4)
    worker_line.add_option(parser)
    return parser.parse_args()


def _limit(site: Site, at_once: int) -> None:
    site.limits = lambda _platform, _identity: replace(Allowance(), at_once=at_once)


async def _main(told: argparse.Namespace) -> None:
    root: Path = told.place / "releases"
    fill(root)
    if told.mosaic:
        os.link(told.mosaic, root / MOSAIC)
    ingest(root, told.place / "tables")
    images, everything = listening("127.0.0.1", 0), listening("127.0.0.1", 0)
    jobs = JobStore(told.place / "jobs")
    with Slots() as slots, hung(told.place, address_of(images), slots=slots) as site:
        _limit(site, told.at_once)
        worker = ImageWorker(images, slots, site.answers) if cores() > 1 else None
        if worker:
            site.worker_trouble = worker.trouble
        print(address_of(images), address_of(everything), sep="\n", flush=True)
        await processes.serve(create(site, jobs, directories=directories(root)), (everything, images), worker)
    jobs.close()


async def _images(told: argparse.Namespace) -> None:
    # As the platform is known from the beginning, so is who is who.
    known = asyncio.Event()
    known.set()
    with Slots(told.worker.slots) as slots, hung(told.place, "", slots=slots) as site:
        _limit(site, told.at_once)
        app = create_images(site, "", directories(told.place / "releases"))
        await processes.serve_as_worker(app, told.worker, site.answers, lambda: None, known)


if __name__ == "__main__":
    arguments = _arguments()
    asyncio.run(_images(arguments) if arguments.worker else _main(arguments))
