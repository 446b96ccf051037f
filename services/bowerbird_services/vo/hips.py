"""HiPS 1.0: what `properties` and `hipslist` say of a survey, in the words of the standard (section 4.4). Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bowerbird_config.collections import Collection, Release
from bowerbird_config.links import AUTHORITY
from bowerbird_config.model import format_moment

from bowerbird_services.store import surveys
from bowerbird_services.store.surveys import Survey

VERSION = "1.4"
BUILDER = "Bowerbird"
TILE_WIDTH = 512
PROPERTIES, LIST = "properties", "hipslist"
BAND = "bowerbird_band"
TEXT = "text/plain; charset=utf-8"
# Where each part of the spectrum ends (metres), from the shortest waves on.
_REGIMES: Final = (
    ("Gamma-ray", 1e-11),
    ("X-ray", 1e-8),
    ("EUV", 1e-7),
    ("UV", 3e-7),
    ("Optical", 1e-6),
    ("Infrared", 1e-4),
    ("Millimeter", 1e-2),
    ("Radio", math.inf),
)
# Whose it is; nobody mirrors it unasked, as the release is the team's.
_PUBLIC, _CLOSED = "public master unclonable", "private master unclonable"


@dataclass(frozen=True, slots=True)
class About:
    """One HiPS of a release whose reading was decided already; `public` tells whether everybody reads it.

    `part` follows the release in its address, and is empty where no image of the release names a band.
    """

    place: tuple[str, str]
    collection: Collection
    release: Release
    survey: Survey
    public: bool
    part: str

    @property
    def release_name(self) -> str:
        """What people call the release."""
        return "/".join(self.place)

    @property
    def name(self) -> str:
        """What the survey is called in addresses."""
        return self.release_name + self.part

    @property
    def title(self) -> str:
        """What people read."""
        whole = f"{self.collection.title}: {self.release.title}"
        return f"{whole}, {self.survey.band or 'images that name no band'}" if self.part else whole


def properties(told: About) -> dict[str, str | None]:
    """Return the values by keyword; what nothing tells is None."""
    about, survey = told.release, told.survey
    pixel = 58.6323 / (1 << survey.order) / TILE_WIDTH
    return {
        "creator_did": f"ivo://{AUTHORITY}/{told.name}/hips",
        "obs_collection": told.release_name,
        "obs_title": told.title,
        "obs_description": about.description or told.collection.description or None,
        "obs_ack": about.cite,
        "obs_copyright": about.licence,
        "bib_reference": about.doi,
        "obs_release_date": format_moment(about.public_on) if about.public_on else None,
        "obs_regime": _regime(*survey.waves) if survey.waves else None,
        "em_min": f"{survey.waves[0]:.6g}" if survey.waves else None,
        "em_max": f"{survey.waves[1]:.6g}" if survey.waves else None,
        # Our own: the band as the images name it.
        BAND: survey.band or None,
        "dataproduct_type": "image",
        "hips_version": VERSION,
        "hips_builder": BUILDER,
        "hips_creation_date": survey.made_at,
        "hips_release_date": survey.made_at,
        "hips_status": _PUBLIC if told.public else _CLOSED,
        "hips_frame": "equatorial",
        "hips_order": str(survey.order),
        "hips_order_min": "0",
        "hips_tile_width": str(TILE_WIDTH),
        "hips_tile_format": " ".join(surveys.FORMATS),
        "hips_pixel_bitpix": "-32",
        "hips_pixel_scale": f"{pixel:.4g}",
        "hips_pixel_cut": _pair(survey.cut),
        "hips_data_range": _pair(survey.values),
        "hips_sampling": "bilinear",
        "hips_overlay": "overlayFirst",
        "hips_hierarchy": "mean",
        "hips_initial_ra": f"{survey.ra:.6f}",
        "hips_initial_dec": f"{survey.dec:.6f}",
        "hips_initial_fov": f"{survey.fov:.6g}",
        "hips_estsize": str(max(1, survey.size_bytes // 1024)),
        "moc_sky_fraction": f"{survey.sky_fraction:.6g}",
    }


def listed(told: About, address: str) -> dict[str, str | None]:
    """Return the record of a survey in a `hipslist` (section 5.2), with the address that it is served at."""
    return properties(told) | {"hips_service_url": address}


def text(records: Iterable[Mapping[str, str | None]]) -> str:
    """Return records as the standard writes them: a line for each keyword, an empty one between records."""
    return "\n".join("".join(f"{key:<20} = {_line(value)}\n" for key, value in record.items() if value) for record in records)


def _regime(shortest: float, longest: float) -> str:
    """Return what VODataService 1.2 calls the part of the spectrum that the middle of the wavelengths (metres) lies in."""
    middle = (shortest + longest) / 2
    return next(name for name, end in _REGIMES if middle < end)


def _pair(values: tuple[float, float]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _line(value: str | None) -> str:
    """Return a text in one line, as a record has no other."""
    return " ".join((value or "").split())
