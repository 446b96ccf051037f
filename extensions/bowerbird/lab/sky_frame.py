"""A part of the sky that holds given places: its centre and its width, and where on a flat map of it they lie. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

_NARROWEST = 1 / 60
# What is wider than this is seen best as a map of the whole sky.
_WIDEST = 60.0
_ALL = 360.0
# A picture that is less high than wide holds all too.
_MARGIN = 3.0
_USUAL = 1.0


@dataclass(frozen=True, slots=True)
class SkyFrame:
    """Centre and width in degrees, ICRS."""

    ra: float
    dec: float
    width: float

    @property
    def is_whole(self) -> bool:
        """Whether it is a map of the whole sky."""
        return self.width > _WIDEST

    def flat(self, ra: Any, dec: Any) -> tuple[Any, Any]:
        """Return x (to the right, so east is negative) and y (up); the width is x from -0.5 to 0.5; nan is not on the map."""
        away = np.radians((np.asarray(ra, dtype="f8") - self.ra + 180) % 360 - 180)
        up, middle = np.radians(np.asarray(dec, dtype="f8")), np.radians(self.dec)
        with np.errstate(all="ignore"):
            if self.is_whole:  # Hammer's map
                scale = 1 / np.sqrt(1 + np.cos(up) * np.cos(away / 2))
                return -scale * np.cos(up) * np.sin(away / 2) / 2, scale * np.sin(up) / 4
            # The tangent plane, as of most images.
            depth = np.sin(middle) * np.sin(up) + np.cos(middle) * np.cos(up) * np.cos(away)
            x = np.cos(up) * np.sin(away) / depth
            y = (np.cos(middle) * np.sin(up) - np.sin(middle) * np.cos(up) * np.cos(away)) / depth
            span = 2 * np.tan(np.radians(self.width) / 2)
            shown = depth > 0
            return np.where(shown, -x / span, np.nan), np.where(shown, y / span, np.nan)

    def sky(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return the right ascensions and declinations of places on the map, as `flat` gives them; nan is beyond its edge."""
        with np.errstate(all="ignore"):
            if self.is_whole:
                across, up = -np.sqrt(2) * x, 2 * np.sqrt(2) * y
                depth = np.sqrt(1 - across**2 - up**2)
                away = 2 * np.arctan2(2 * depth * across, 2 * depth**2 - 1)
                turned, dec = np.where(2 * (across**2 + up**2) <= 1, away, np.nan), np.arcsin(2 * depth * up)
            else:
                span, middle = 2 * np.tan(np.radians(self.width) / 2), np.radians(self.dec)
                right, above = -x * span, y * span
                turned = np.arctan2(right, np.cos(middle) - above * np.sin(middle))
                dec = np.arctan2(np.sin(middle) + above * np.cos(middle), np.hypot(right, np.cos(middle) - above * np.sin(middle)))
        return (self.ra + np.degrees(turned)) % _ALL, np.degrees(dec)


def around(ra: Any, dec: Any) -> SkyFrame:
    """Return the frame that holds these places; those that are no numbers count for nothing."""
    there = np.isfinite(ra) & np.isfinite(dec)
    if not there.any():
        return SkyFrame(0.0, 0.0, _ALL)
    points = _vectors(np.asarray(ra)[there], np.asarray(dec)[there])
    middle = points.mean(axis=0)
    length = float(np.linalg.norm(middle))
    farthest = 180.0 if not length else float(np.degrees(2 * np.arcsin(np.linalg.norm(points - middle / length, axis=1).max() / 2)))
    if farthest * _MARGIN > _WIDEST:
        return SkyFrame(0.0, 0.0, _ALL)
    centre = middle / length
    width = max(farthest * _MARGIN, _NARROWEST) if farthest else _USUAL / 10
    return SkyFrame(float(np.degrees(np.arctan2(centre[1], centre[0])) % 360), float(np.degrees(np.arcsin(centre[2]))), width)


def _vectors(ra: Any, dec: Any) -> Any:
    longitude, latitude = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1)
