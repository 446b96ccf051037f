"""A stand-in for the recipe of the demo releases: the same options, and files in FAKE_PARTS that say how it fares."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

CONTROL = Path(os.environ["FAKE_PARTS"])
RELEASES = ("survey/dr1", "survey/dr2")


def main() -> None:
    """Copy the platform file, or make what is missing of the releases."""
    parser = argparse.ArgumentParser()
    for option in ("--platform-from", "--platform-to", "--platform-date", "--downloads"):
        parser.add_argument(option)
    parser.add_argument("--releases", type=Path)
    asked = parser.parse_args()
    if asked.platform_to:
        shutil.copy(asked.platform_from, asked.platform_to)
        return
    with (CONTROL / "recipe.starts").open("a") as starts:
        starts.write("started\n")
    for number, release in enumerate(RELEASES, 1):
        make(asked.releases / release, f"releases: {number} of {len(RELEASES)}: {release}")


def make(place: Path, words: str) -> None:
    """Make one release unless it is there."""
    if place.exists():
        print(f"{words} is there", flush=True)
        return
    if place.name == "dr2" and (CONTROL / "recipe.slow").exists():
        time.sleep(60)
    if place.name == "dr2" and (CONTROL / "recipe.fail").exists():
        sys.exit("releases: the second cannot be made")
    place.mkdir(parents=True)
    print(f"{words} ready", flush=True)


if __name__ == "__main__":
    main()
