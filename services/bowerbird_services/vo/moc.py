"""MOC 2.0 of the sky that images cover: one, or several together, in each of the forms that the standard has."""

from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mocpy import MOC

from bowerbird_services.pages import footprint
from bowerbird_services.vo.dali import Fault

# RESPONSEFORMAT -> media type.
FORMATS: Final = {
    "fits": "application/fits",
    "ascii": "text/plain; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


_DEFAULT: Final = "fits"
_NAMES: Final = {media_type.partition(";")[0]: form for form, media_type in FORMATS.items()}


def form(asked: str | None) -> str:
    """Return which of FORMATS is asked for, by its name or its media type; Fault where it is none."""
    if asked is None:
        return _DEFAULT
    name = asked.partition(";")[0].strip().lower()
    found = _NAMES.get(name, name)
    if found not in FORMATS:
        raise Fault(f"RESPONSEFORMAT is {asked[:60]!r}; a MOC is written as {', '.join(FORMATS)}")
    return found


def read(file: Path) -> Any:
    """Return a MOC from its FITS file; OSError or ValueError where that is none."""
    return MOC.load(file, "fits")


def together(files: Iterable[Path]) -> Any:
    """Return the sky that any of them covers; there is one at least."""
    return reduce(MOC.union, map(read, files))


def written(moc: Any, form: str, title: str) -> bytes:
    """Return it in one of FORMATS."""
    match form:
        case "fits":
            with TemporaryDirectory() as folder:
                moc.save(Path(folder) / "moc.fits")
                return (Path(folder) / "moc.fits").read_bytes()
        case "svg":
            return footprint.alone(moc, title).encode()
        case _:
            return str(moc.to_string(form)).encode()
