"""The sky that a MOC covers: where its middle is, how far it reaches, and its largest part. Pure."""

from typing import Any

from astropy import units

# So many parts, at the most, are told apart to find the largest.
_MOST_PARTS = 500


def largest(moc: Any) -> Any:
    """Return the largest part of a MOC whose cells touch each other; all of it where there are too many parts."""
    return max(moc.split(), key=lambda part: part.sky_fraction) if 1 < moc.split_count() <= _MOST_PARTS else moc


def extent(moc: Any) -> tuple[float, float, float]:
    """Return RA and Dec of the middle of a MOC, and how far from it that reaches, in degrees."""
    centre = moc.barycenter()
    reach = float(moc.largest_distance_from_coo_to_vertices(centre).to_value(units.deg))
    return float(centre.icrs.ra.deg), float(centre.icrs.dec.deg), reach
