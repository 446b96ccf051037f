"""The HiPS of releases as they lie on disk: `COLLECTION/RELEASE/survey.json`, and the folder of tiles that it names."""

from dataclasses import asdict, dataclass
from pathlib import Path

from bowerbird_services.store import sidecar

NAME = "survey.json"
MOC_FILE = "Moc.fits"
FORMATS = ("png", "fits")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of the HiPS of one release. Degrees, ICRS; `cut` are the values that are drawn black and white."""

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
    left_out: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return asdict(self)


def folder_of(root: Path, collection: str, release: str) -> Path:
    """Return where the HiPS of a release lies."""
    return root / collection / release


def read(folder: Path) -> Survey | None:
    """Return the HiPS that was made of the release in that folder; None where none was."""
    try:
        told = dict(sidecar.read_json(folder / NAME))
        pairs = {name: tuple(told[name]) for name in ("cut", "values", "images")}
        return Survey(**(told | pairs | {"left_out": tuple((file, why) for file, why in told["left_out"])}))
    except (ValueError, KeyError, TypeError):
        return None


def moc_of(root: Path, collection: str, release: str) -> Path | None:
    """Return the file of the MOC of a release's images; None where none are drawn."""
    folder = folder_of(root, collection, release)
    known = read(folder)
    return folder / known.folder / MOC_FILE if known else None


def tile(kind: str, order: int, number: int) -> str:
    """Return the path of a tile (HiPS 1.0, section 4.1)."""
    return f"Norder{order}/Dir{number // 10_000 * 10_000}/Npix{number}.{kind}"


def overview(kind: str, order: int) -> str:
    """Return the path of the tiles of an order in one picture."""
    return f"Norder{order}/Allsky.{kind}"
