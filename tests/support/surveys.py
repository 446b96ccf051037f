"""A HiPS on disk without its tiles: what is known of it, and the MOC."""

from pathlib import Path

from astropy import units
from bowerbird_services.store import sidecar, surveys
from bowerbird_services.store.surveys import Survey
from mocpy import MOC


def cone(ra: float = 150.0, dec: float = 2.0, radius: float = 0.1) -> MOC:
    """Return the MOC of a cone, in degrees."""
    return MOC.from_cone(units.Quantity(ra, "deg"), units.Quantity(dec, "deg"), radius=units.Quantity(radius, "deg"), max_depth=17)


def put(root: Path, place: tuple[str, str], moc: MOC) -> None:
    """Lay it below a root."""
    folder = surveys.folder_of(root, *place)
    (folder / "made").mkdir(parents=True)
    moc.save(folder / "made" / surveys.MOC_FILE)
    known = Survey("made", "by hand", 8, "2026-01-01T00:00Z", 150.0, 2.0, 0.2, (0.0, 1.0), (-1.0, 2.0), moc.sky_fraction, 1000, ("a.fits",))
    sidecar.replace_json(folder / surveys.NAME, known.to_json())
