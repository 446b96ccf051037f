"""A service over the stand-in in a process of its own, which prints its address: `python -m tests.services.standalone DIRECTORY`."""

import sys
import threading
from pathlib import Path

from bowerbird_services.app import create
from bowerbird_services.site import Site
from bowerbird_services.streams import Threads
from bowerbird_services.vo.jobs import JobStore

from tests.services.people import identities
from tests.services.serving import served
from tests.services.standin import StandIn


def main() -> None:
    place = Path(sys.argv[1])
    with served(create(Site(StandIn(), identities(), Threads(4), place), JobStore(place / "jobs"))) as address:
        print(address, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
