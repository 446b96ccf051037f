"""Build a tiny release again and again, each time dying one step later, as `kill -9` would; then build it to the end.

A step is anything that Python's audit events tell of a file: open, rename, chmod, mkdir, remove. After each death what is in
place must be whole or absent, and a build that goes on from there must end with the bytes of one that was never stopped.
Prints the number of steps. A program of its own, since an audit hook cannot be taken off again.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "config/default/recipe"))

from demo_releases.originals import Original, Stock
from demo_releases.release import Credit, Product, Release, copy
from demo_releases.workshop import Workshop, checksums

STEPS = {"open", "os.rename", "os.chmod", "os.mkdir", "os.remove", "os.rmdir", "fcntl.flock"}
DEAD = 9
DATA = b"original" * 9999
ORIGINAL = Original("tiny", "1", "data.bin", len(DATA), hashlib.sha256(DATA).hexdigest())


def derive(stock: Stock, path: Path) -> None:
    path.write_bytes(stock.path(ORIGINAL).read_bytes()[::-1])


RELEASE = Release(
    "tiny", "dr1", "Tiny", (ORIGINAL,), (copy(ORIGINAL), Product("derived", derive, 9)), (Credit("data", "ours", "none", "none"),)
)


def build(workshop: Workshop, stock: Stock) -> None:
    with workshop.open():
        if not workshop.complete(RELEASE):
            workshop.build(RELEASE, stock)
        workshop.settle(RELEASE)


def dies_at(step: int, workshop: Workshop, stock: Stock) -> bool:
    """Build in a child that ends at that step, and tell whether it got that far."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, _arguments: Sequence[object]) -> None:
            if event in STEPS:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(DEAD)

        sys.addaudithook(count)
        build(workshop, stock)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, DEAD), code
    return code == DEAD


def check(place: Path) -> None:
    if place.exists():
        assert (place / "CHECKSUMS").read_text() == checksums(place), f"half a release in {place}"


def main(folder: Path) -> None:
    stock = Stock(folder / "downloads")
    (stock.downloads / "tiny").mkdir(parents=True)
    (stock.downloads / "tiny/data.bin").write_bytes(DATA)
    build(Workshop(folder / "whole"), stock)
    whole = checksums(folder / "whole/tiny/dr1")
    step = 1
    while True:
        workshop = Workshop(folder / f"step{step}")
        if not dies_at(step, workshop, stock):
            break
        place = workshop.place(RELEASE)
        check(place)
        # A second death, one step into the work that goes on, must do no harm either.
        dies_at(step // 2 + 1, workshop, stock)
        check(place)
        build(workshop, stock)
        assert checksums(place) == whole
        assert place.stat().st_mode & 0o777 == 0o555
        assert [path.name for path in workshop.root.iterdir()] == ["tiny"]
        step += 1
    print(step - 1, "steps")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bowerbird-crash-") as name:
        main(Path(name))
