"""The HiPS of releases as they lie on disk: `COLLECTION/RELEASE/survey.json`, and the folders of tiles that it names, one for each band."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bowerbird_services.store import sidecar

NAME = "survey.json"
MOC_FILE = "Moc.fits"
FORMATS = ("png", "fits")
# What the survey of images without a band is called beside those of bands.
NO_BAND = "no-band"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of one HiPS, of the images of a release in one band; `band` is "" of images that name none.

    Degrees, ICRS; `cut` are the values that are drawn black and white; `waves` the wavelengths, metres of vacuum, where they are known.
    """

    folder: str
    fingerprint: str
    order: int
    made_at: str
    ra: float
    dec: float
    fov: float
    cut: tuple[float, float]
    values: tuple[float, float]
    sky_fraction: float
    size_bytes: int
    images: tuple[str, ...]
    band: str = ""
    waves: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """What it is called in addresses."""
        return name_of(self.band)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The HiPS of one release: first that which covers the most of the sky; the fingerprint is that of all images."""

    fingerprint: str = ""
    surveys: tuple[Survey, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def part(self, survey: Survey) -> str:
        """Return what follows the release in the address of one of them: its band, or nothing where no image names one."""
        return f"/{survey.name}" if survey.band or len(self.surveys) > 1 else ""

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return asdict(self)


def name_of(band: str) -> str:
    """Return what a band is called in addresses and in names of files: itself where it can be."""
    if not band:
        return NO_BAND
    if _PLAIN.fullmatch(band) and band != NO_BAND:
        return band
    plain = re.sub(r"[^A-Za-z0-9]+", "-", band).strip("-")[:32]
    return f"{plain or 'band'}-{hashlib.sha256(band.encode()).hexdigest()[:6]}"


def folder_of(root: Path, collection: str, release: str) -> Path:
    """Return where the HiPS of a release lie."""
    return root / collection / release


def read(folder: Path) -> Drawn:
    """Return what was drawn of the release in that folder; there is nothing of it where nothing was, or where it cannot be read."""
    try:
        told = dict(sidecar.read_json(folder / NAME))
        left_out = tuple((file, why) for file, why in told.pop("left_out"))
        # As it was before releases had a survey for each band: that of all their images.
        if "surveys" not in told:
            return Drawn("", (_survey(told),), left_out)
        return Drawn(told["fingerprint"], tuple(map(_survey, told["surveys"])), left_out)
    except (ValueError, KeyError, TypeError):
        return Drawn()


def _survey(told: Mapping[str, Any]) -> Survey:
    pairs = {name: tuple(told[name]) for name in ("cut", "values", "images")}
    waves = told.get("waves")
    return Survey(**{**told, **pairs, "waves": tuple(waves) if waves else None})


def tile(kind: str, order: int, number: int) -> str:
    """Return the path of a tile (HiPS 1.0, section 4.1)."""
    return f"Norder{order}/Dir{number // 10_000 * 10_000}/Npix{number}.{kind}"


def overview(kind: str, order: int) -> str:
    """Return the path of the tiles of an order in one picture."""
    return f"Norder{order}/Allsky.{kind}"
