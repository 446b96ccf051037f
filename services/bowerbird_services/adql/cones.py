"""Constant regions as conditions on the HEALPix order in which the rows of a table lie."""

from bowerbird_services import sky_order
from bowerbird_services.tables import HEALPIX_COLUMN


def cone(alias: str, ra: float, dec: float, radius: float) -> str | None:
    """Return the condition that a row may lie in a circle; None where the circle is so wide that it would not help."""
    ranges = sky_order.of_circle(ra, dec, radius)
    return None if ranges is None else _condition(alias, ranges)


def polygon(alias: str, vertices: list[tuple[float, float]], size: float) -> str | None:
    """Return the condition that a row may lie in a polygon whose vertices lie within `size` degrees of its middle."""
    ranges = sky_order.of_polygon(vertices, size)
    return None if ranges is None else _condition(alias, ranges)


def _condition(alias: str, ranges: sky_order.Ranges) -> str:
    if not ranges:
        return "FALSE"
    name = f'{alias}."{HEALPIX_COLUMN}"'
    within = " OR ".join(f"{name} BETWEEN {low} AND {high}" for low, high in ranges)
    return f"{name} BETWEEN {ranges[0][0]} AND {ranges[-1][1]} AND ({within})" if len(ranges) > 1 else within
