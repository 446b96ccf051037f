"""The command: what is asked for, progress in words, and an exit code: 0 done, 1 found wrong, 2 could not run."""

import argparse
import errno
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from demo_releases.errors import BadInput, CannotBuild, RecipeError
from demo_releases.originals import Stock
from demo_releases.platform_file import copy_dated
from demo_releases.release import Release
from demo_releases.workshop import CHECKSUMS, Workshop, checksums, no_room

STOPPED = "stopped; what is finished is kept, and the next start goes on from there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for and return the exit code."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if asked.platform_to:
            _date_platform(asked)
        if asked.verify:
            _verify(asked.releases)
        elif asked.releases:
            _build(asked.releases, asked.downloads)
    except KeyboardInterrupt:
        return _fail(CannotBuild(STOPPED))
    except RecipeError as error:
        return _fail(error)
    except OSError as error:
        return _fail(CannotBuild(_explain(error, asked.releases)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("--releases", type=Path, metavar="DIR", help="where the releases go")
    parser.add_argument("--downloads", type=Path, metavar="DIR", help="where the packages with the data are unpacked, one folder each")
    parser.add_argument("--verify", action="store_true", help="read every file of the releases and compare it with CHECKSUMS")
    parser.add_argument("--platform-from", type=Path, metavar="FILE", help="the default platform file")
    parser.add_argument("--platform-to", type=Path, metavar="FILE", help="its dated copy; one that is there is left alone")
    parser.add_argument("--platform-date", type=_moment, metavar="TIME", help="the set-up's time instead of now, with its UTC offset")
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None:
        raise argparse.ArgumentTypeError(f"{text} has no UTC offset; write it like 2027-03-01T00:00:00Z")
    return moment.astimezone(UTC)


def _date_platform(asked: argparse.Namespace) -> None:
    if asked.platform_from is None:
        raise CannotBuild("--platform-to needs --platform-from FILE")
    if copy_dated(asked.platform_from, asked.platform_to, asked.platform_date or datetime.now(UTC)):
        _say(f"platform file: {asked.platform_to} written")


def _build(root: Path, downloads: Path | None) -> None:
    if downloads is None:
        raise CannotBuild("--releases needs --downloads DIR")
    workshop = Workshop(root)
    releases = _releases()
    with workshop.open():
        for number, release in enumerate(releases, start=1):
            where = f"releases: {number} of {len(releases)}: {release}"
            if workshop.complete(release):
                workshop.settle(release)
                _say(f"{where} is there")
                continue
            _say(f"{where} …")
            started = time.monotonic()
            workshop.build(release, Stock(downloads))
            _say(f"{where} ready in {time.monotonic() - started:.1f} s")


def _verify(root: Path | None) -> None:
    if root is None:
        raise CannotBuild("--verify needs --releases DIR")
    workshop = Workshop(root)
    for release in _releases():
        place = workshop.place(release)
        if not workshop.complete(release) or (place / CHECKSUMS).read_text() != checksums(place):
            raise BadInput(f"{place} is not as it was made; remove it and start `./bowerbird up` again, which makes it anew")
        _say(f"{release}: every file is as it was made")


def _releases() -> tuple[Release, ...]:
    # astropy and photutils take a second to import, and the hub's Python, which dates the platform file, has neither.
    from demo_releases.releases import RELEASES  # noqa: PLC0415 - for that reason

    return RELEASES


def _explain(error: OSError, root: Path | None) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) and root is not None:
        return no_room(root, str(error.strerror))
    return f"{error.filename or 'a file'}: {error.strerror}; see to it and start again: what is finished is kept"


def _say(line: str) -> None:
    print(line, flush=True)


def _fail(error: RecipeError) -> int:
    print(f"releases: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
