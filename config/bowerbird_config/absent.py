"""What a right platform file names and this machine does not have: no mistake of the file, which may be for another machine."""

import os
import ssl
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bowerbird_config.images import on_machine
from bowerbird_config.install import Install
from bowerbird_config.load import places
from bowerbird_config.platform import Platform
from bowerbird_config.problems import Finding, Problem, Steps
from bowerbird_config.sentences import located
from bowerbird_config.table_order import release_directory


def absences(file: Path, platform: Platform, releases: Path, install: Install) -> list[Problem]:
    """Return what is missing here of all that the platform file names, each with its line and the remedy.

    `releases` is where those lie that name no directory.
    """
    known = places(file)
    found = chain(_lacks(platform), on_machine.lacks(platform, install), _dangling(platform, releases))
    return [located(lack, known) for lack in found]


def _lacks(platform: Platform) -> Iterator[Finding]:
    for name, place in platform.storage.releases.items():
        yield from _directory(("storage", "releases", name), f"the directory of release {name!r}", Path(place))
    for name, place in platform.runtime.environments.items():
        yield from _directory(("runtime", "environments", name), f"the directory of environment {name!r}", Path(place))
    tls = platform.runtime.tls
    if tls is not None:
        yield from _file(("runtime", "tls", "key"), Path(tls.key))
        missing = list(_file(("runtime", "tls", "certificate"), Path(tls.certificate)))
        yield from missing or _names(Path(tls.certificate), platform.runtime.public_host)


def _dangling(platform: Platform, releases: Path) -> Iterator[Finding]:
    """Yield the ends of links that are not there; of a release whose directory is not here, or that one may not look into, none."""
    for collection, about in platform.collections.items():
        for release, told in about.releases.items():
            for number, link in enumerate(told.links):
                ends = (("file", (collection, release, link.file)), ("to", link.end(collection, release)))
                for key, end in ends:
                    if end and _is_missing(platform, releases, *end):
                        what = f"a link names {end[2]!r}, which is not in release '{end[0]}/{end[1]}', so nobody is told of it"
                        steps = ("collections", collection, "releases", release, "links", number, key)
                        yield Finding(steps, what, "put the file there, or write the name that it has")


def _is_missing(platform: Platform, releases: Path, collection: str, release: str, file: str) -> bool:
    directory = release_directory(platform, releases, collection, release)
    if directory is None:
        return True
    if not os.access(directory, os.X_OK):
        return False
    try:
        # No symbolic link is followed, as when it is served.
        return not stat.S_ISREG((directory / file).lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _directory(steps: Steps, whose: str, place: Path) -> Iterator[Finding]:
    try:
        with os.scandir(place):
            return
    except FileNotFoundError:
        yield Finding(steps, f"{whose} is not on this machine: {place} does not exist", "make it, mount it, or write where it is")
    except NotADirectoryError:
        yield Finding(steps, f"{whose} is none: {place} is no directory", "write the directory that holds its files")
    except OSError as error:
        yield Finding(steps, f"{whose} cannot be read: {place} ({error.strerror})", "let the platform read it, or ask as who runs it")


def _file(steps: Steps, place: Path) -> Iterator[Finding]:
    try:
        with place.open("rb"):
            return
    except OSError as error:
        yield Finding(steps, f"{place} cannot be read on this machine ({error.strerror})", "put it there, or write where it is")


def _names(certificate: Path, host: str) -> Iterator[Finding]:
    """A browser must believe the hub's name and that of every owner's servers."""
    steps = ("runtime", "tls", "certificate")
    try:
        # The one decoder of the standard library; what it gives is what `SSLSocket.getpeercert` gives.
        found = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    except (OSError, ssl.SSLError):
        yield Finding(
            steps, f"{certificate} holds no certificate", "write the file that begins with BEGIN CERTIFICATE, the server's own first"
        )
        return
    said = {value.lower() for kind, value in found.get("subjectAltName", ()) if kind == "DNS"}
    wanted = {host: {host, f"*.{host.partition('.')[2]}"}, f"*.{host}": {f"*.{host}"}}
    missing = [name for name, covering in wanted.items() if not covering & said]
    if missing:
        what = f"the certificate {certificate} does not name {' and '.join(missing)}, and browsers will not believe it there"
        yield Finding(steps, what, f"have it made for {host} and *.{host}")
