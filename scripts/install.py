"""Installs what is missing for a command: `python3 -m scripts hub|up|test|aat`. Nothing to do takes no network and no time."""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from scripts import debian
from scripts.debian import Package
from scripts.running import Trouble
from scripts.steps import Step, Workshop

ROOT = Path(__file__).resolve().parent.parent
STOPPED_BY_HAND = 130
STOPPED = 143
TROUBLE = 2
AGAIN = "Stopped. Run the same command again to go on; what was finished is kept."
MEGABYTE = 1_000_000
# What a running platform or a test uses of Debian beside what is needed to install.
PROGRAMS = {
    "hub": (),
    "up": ("bubblewrap", "fuse3"),
    "aat": (),
    "test": ("bubblewrap", "fuse3", "chromium", "fonts-dejavu-core", "git", "fitsverify", "rsync", "fio", "stilts", "postgresql-15"),
}


def say(line: str = "") -> None:
    """Tell a person; standard output belongs to the command that follows."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the set-up's lock: a second set-up of the same checkout waits for the first."""
    state.mkdir(exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up of this checkout is running; waiting for it to end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def show_plan(steps: Sequence[Step], packages: Sequence[Package], state: Path) -> None:
    """List what will be installed, with what it costs."""
    rows = [(f"Debian package {package.name} (system-wide, by apt)", package.download, package.disk) for package in packages]
    rows += [(step.title, step.cost.download, step.cost.disk) for step in steps if step.cost.disk]
    if not rows:
        return
    rows += [("in all", sum(row[1] for row in rows), sum(row[2] for row in rows))]
    say(f"To be installed, below {state} where nothing else is said; at most:")
    for title, download, disk in rows:
        say(f"  {title:<62} {download:>5} MB to download {disk:>6} MB on disk")


def check_room(steps: Iterable[Step], root: Path) -> None:
    """Refuse to start what the disk can't hold."""
    wanted = sum(step.cost.disk for step in steps)
    free = shutil.disk_usage(root).free // MEGABYTE
    if wanted > free:
        raise Trouble(f"The set-up needs {wanted} MB on the disk that holds {root}, which has {free} MB free. Make room and run it again.")


def bring_debian_packages(packages: Sequence[Package], workshop: Workshop) -> None:
    """Install Debian packages where we may; otherwise print the one line that does."""
    if not packages:
        return
    if debian.may_install():
        say("Debian packages: " + ", ".join(package.name for package in packages))
        debian.install(packages, workshop.log)
        return
    say("This machine lacks some packages, and only root may install them. The one line to run as root:")
    say(f"    {debian.by_hand(packages)}")


def possible(steps: Iterable[Step]) -> list[Step]:
    """Return the steps for which the machine has what they need; say what the others would have given."""
    kept = []
    for step in steps:
        lacking = debian.missing(step.packages)
        if not lacking:
            kept.append(step)
        elif not step.without:
            raise Trouble(f"Nothing can be installed without {lacking[0].name}: run the line above as root, then this command again.")
        elif step.stamp.name == "stamp.packages":
            say(f"Going on without {', '.join(package.name for package in lacking)}: {step.without}.")
    return kept


def carry_out(steps: Sequence[Step]) -> None:
    """Run the steps, each with a line before and the seconds after."""
    for number, step in enumerate(steps, 1):
        began = time.monotonic()
        say(f"[{number}/{len(steps)}] {step.title} …")
        step.run()
        say(f"      done in {time.monotonic() - began:.0f} s")


def install(need: str) -> None:
    """Install what is missing for a need; return at once where nothing is."""
    workshop = Workshop(ROOT)
    if not _left(workshop, need) and not _packages(need, []):
        return
    with alone(workshop.state):
        left = _left(workshop, need)
        packages = _packages(need, left)
        if left:
            show_plan(left, packages, workshop.state)
            check_room(left, ROOT)
        bring_debian_packages(packages, workshop)
        carry_out(possible(left))


def _left(workshop: Workshop, need: str) -> list[Step]:
    return [step for step in workshop.steps(need) if not step.done()]


def _packages(need: str, left: Iterable[Step]) -> tuple[Package, ...]:
    names = [name for step in left for name in step.packages]
    return debian.missing(dict.fromkeys([*names, *PROGRAMS[need]]))


def stop(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that ends our children first."""
    say(AGAIN)
    sys.exit(STOPPED)


def main() -> int:
    """Install for the need named on the command line; return the exit code."""
    signal.signal(signal.SIGTERM, stop)
    os.umask(0o022)
    try:
        install(sys.argv[1])
    except Trouble as trouble:
        say(f"bowerbird: {trouble}")
        return TROUBLE
    except OSError as error:
        say(f"bowerbird: the set-up could not go on: {error}. Mend that and run the same command again; what was finished is kept.")
        return TROUBLE
    except KeyboardInterrupt:
        say(AGAIN)
        return STOPPED_BY_HAND
    return 0
