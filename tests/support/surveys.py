"""A HiPS on disk without its tiles: what is known of it, and the MOC."""

from pathlib import Path

from astropy import units
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.store.surveys import Drawn, Survey
from mocpy import MOC


def cone(ra: float = 150.0, dec: float = 2.0, radius: float = 0.1) -> MOC:
    """Return the MOC of a cone, in degrees."""
    return MOC.from_cone(units.Quantity(ra, "deg"), units.Quantity(dec, "deg"), radius=units.Quantity(radius, "deg"), max_depth=17)


def put(root: Path, place: tuple[str, str], moc: MOC, bands: tuple[str, ...] = ("",)) -> None:
    """Lay it below a root, or one for each band, all of which cover the same."""
    folder = surveys.folder_of(root, *place)
    (folder / "made").mkdir(parents=True)
    moc.save(folder / "made" / surveys.MOC_FILE)
    about = (8, "2026-01-01T00:00Z", 150.0, 2.0, 0.2, (0.0, 1.0), (-1.0, 2.0), moc.sky_fraction, 1000, ("a.fits",))
    known = tuple(Survey("made", "by hand", *about, band) for band in bands)
    sidecar.replace_json(folder / surveys.NAME, Drawn("by hand", known).to_json())
