"""What is known of one product file of a release: the parts of an ObsCore row that the file itself tells."""

from dataclasses import asdict, dataclass
from pathlib import Path

from bowerbird_services.store import sidecar

NAME = "products.json"
# How the names of FITS files end, in small letters.
FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")


@dataclass(frozen=True, slots=True)
class Product:
    """A file that a person would load: an image, a spectrum or a cube. Positions in degrees, ICRS; wavelengths in metres."""

    file: str
    dataproduct_type: str
    access_format: str
    size_bytes: int
    target_name: str | None = None
    s_ra: float | None = None
    s_dec: float | None = None
    s_fov: float | None = None
    s_region: str | None = None
    s_resolution: float | None = None
    s_xel1: int | None = None
    s_xel2: int | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    t_resolution: float | None = None
    t_xel: int | None = None
    em_min: float | None = None
    em_max: float | None = None
    em_res_power: float | None = None
    em_xel: int | None = None
    o_ucd: str | None = None
    pol_states: str | None = None
    pol_xel: int | None = None
    facility_name: str | None = None
    instrument_name: str | None = None

    @classmethod
    def read_all(cls, folder: Path) -> "tuple[Product, ...]":
        """Return the products that an ingest found of the release in that folder; none where it found none."""
        try:
            return tuple(cls(**raw) for raw in sidecar.read_json(folder / NAME)["products"])
        except (ValueError, KeyError, TypeError):
            return ()

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return asdict(self)
