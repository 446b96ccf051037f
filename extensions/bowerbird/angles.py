"""Angles as people and programs write them."""

import re
from typing import Any

# Astropy's angles take an exponent only after a decimal point; Python writes 0.00005 as 5e-05.
_WITHOUT_POINT = re.compile(r"(?<![\w.])(\d+)(?=[eE][+-]?\d)")


def angle_in_degrees(angle: Any) -> float:
    """Return an angle in degrees; UnitsError, ValueError or TypeError where it is none."""
    from astropy.coordinates import Angle  # noqa: PLC0415  # `import bowerbird` stays light

    return float(Angle(with_points(angle) if isinstance(angle, str) else angle).deg)


def with_points(text: str) -> str:
    """Return a text whose numbers with an exponent have a decimal point too."""
    return _WITHOUT_POINT.sub(r"\1.0", text)
