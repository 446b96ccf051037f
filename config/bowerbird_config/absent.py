"""What a right platform file names and this machine does not have: no mistake of the file, which may be for another machine."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from bowerbird_config.load import places
from bowerbird_config.platform import Platform
from bowerbird_config.problems import Finding, Problem, Steps
from bowerbird_config.sentences import located


def absences(file: Path, platform: Platform) -> list[Problem]:
    """Return what is missing here of all that the platform file names, each with its line and the remedy."""
    known = places(file)
    return [located(lack, known) for lack in _lacks(platform)]


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
