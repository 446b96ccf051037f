"""`ivoa.obscore` (ObsCore 1.1): one row for each product file of the releases that somebody may read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import quote

import pyarrow as pa
from bowerbird.votable.field import Datatype

from bowerbird_services.store.columns import arrow_schema
from bowerbird_services.store.dids import DID
from bowerbird_services.store.products import Product
from bowerbird_services.tables import Column, Table, TimeFrame

SCHEMA = "ivoa"
SCHEMAS = {SCHEMA: "Tables whose columns the IVOA defines"}
# Where every server of the platform sees the releases, for a service without an address of its own.
DATA = "file:///data/releases"
# As the files' own headers say it: DATE-OBS is UTC, where the telescope stands.
EXPOSED = TimeFrame("UTC", "TOPOCENTER", "MJD-origin")


def _column(name: str, datatype: Datatype, unit: str | None, ucd: str, utype: str, description: str) -> Column:
    """Return a column of ObsCore 1.1, table 6."""
    arraysize = "*" if datatype is Datatype.CHAR else None
    time = EXPOSED if name in {"t_min", "t_max"} else None
    xtype = {"s_region": "adql:REGION", "obs_release_date": "timestamp"}.get(name)
    return Column(name, datatype, arraysize, xtype, unit, ucd, f"obscore:{utype}", description, std=True, time=time)


_CHAR, _INT, _LONG, _DOUBLE = Datatype.CHAR, Datatype.INT, Datatype.LONG, Datatype.DOUBLE
_SPACE, _TIME, _SPECTRUM = "Char.SpatialAxis", "Char.TimeAxis", "Char.SpectralAxis"
COLUMNS = (
    _column("dataproduct_type", _CHAR, None, "meta.code.class", "ObsDataset.dataProductType", "image, spectrum or cube"),
    _column("calib_level", _INT, None, "meta.code;obs.calib", "ObsDataset.calibLevel", "how far it is calibrated, from 0 to 4"),
    _column("obs_collection", _CHAR, None, "meta.id", "DataID.collection", "collection and release"),
    _column("obs_id", _CHAR, None, "meta.id", "DataID.observationID", "identifier of the observation"),
    _column("obs_publisher_did", _CHAR, None, "meta.ref.ivoid", "Curation.publisherDID", "identifier of the product"),
    _column("access_url", _CHAR, None, "meta.ref.url", "Access.reference", "where whoever may read the release has the file, or its links"),
    _column("access_format", _CHAR, None, "meta.code.mime", "Access.format", "media type of what is there"),
    _column("access_estsize", _LONG, "kbyte", "phys.size;meta.file", "Access.size", "size of the file"),
    _column("target_name", _CHAR, None, "meta.id;src", "Target.name", "what was observed"),
    _column("s_ra", _DOUBLE, "deg", "pos.eq.ra", f"{_SPACE}.Coverage.Location.Coord.Position2D.Value2.C1", "centre, right ascension, ICRS"),
    _column("s_dec", _DOUBLE, "deg", "pos.eq.dec", f"{_SPACE}.Coverage.Location.Coord.Position2D.Value2.C2", "centre, declination, ICRS"),
    _column("s_fov", _DOUBLE, "deg", "phys.angSize;instr.fov", f"{_SPACE}.Coverage.Bounds.Extent.diameter", "diameter of the field"),
    _column("s_region", _CHAR, None, "pos.outline;obs.field", f"{_SPACE}.Coverage.Support.Area", "outline of the field, as STC-S"),
    _column("s_resolution", _DOUBLE, "arcsec", "pos.angResolution", f"{_SPACE}.Resolution.Refval.value", "angular resolution"),
    _column("s_xel1", _LONG, None, "meta.number", f"{_SPACE}.numBins1", "pixels along the first axis of the sky"),
    _column("s_xel2", _LONG, None, "meta.number", f"{_SPACE}.numBins2", "pixels along the second axis of the sky"),
    _column("t_min", _DOUBLE, "d", "time.start;obs.exposure", f"{_TIME}.Coverage.Bounds.Limits.StartTime", "begin of the exposure, MJD"),
    _column("t_max", _DOUBLE, "d", "time.end;obs.exposure", f"{_TIME}.Coverage.Bounds.Limits.StopTime", "end of the exposure, MJD"),
    _column("t_exptime", _DOUBLE, "s", "time.duration;obs.exposure", f"{_TIME}.Coverage.Support.Extent", "exposure time"),
    _column("t_resolution", _DOUBLE, "s", "time.resolution", f"{_TIME}.Resolution.Refval.value", "resolution in time"),
    _column("t_xel", _LONG, None, "meta.number", f"{_TIME}.numBins", "samples in time"),
    _column("em_min", _DOUBLE, "m", "em.wl;stat.min", f"{_SPECTRUM}.Coverage.Bounds.Limits.LoLimit", "shortest wavelength"),
    _column("em_max", _DOUBLE, "m", "em.wl;stat.max", f"{_SPECTRUM}.Coverage.Bounds.Limits.HiLimit", "longest wavelength"),
    _column("em_res_power", _DOUBLE, None, "spect.resolution", f"{_SPECTRUM}.Resolution.ResolPower.refVal", "spectral resolving power"),
    _column("em_xel", _LONG, None, "meta.number", f"{_SPECTRUM}.numBins", "samples along the spectrum"),
    _column("o_ucd", _CHAR, None, "meta.ucd", "Char.ObservableAxis.ucd", "UCD of what was measured"),
    _column("pol_states", _CHAR, None, "meta.code;phys.polarization", "Char.PolarizationAxis.stateList", "states of polarisation"),
    _column("pol_xel", _LONG, None, "meta.number", "Char.PolarizationAxis.numBins", "number of states of polarisation"),
    _column("facility_name", _CHAR, None, "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name", "telescope"),
    _column("instrument_name", _CHAR, None, "meta.id;instr", "Provenance.ObsConfig.Instrument.name", "instrument"),
    _column("obs_release_date", _CHAR, None, "time.release", "Curation.releaseDate", "when it is or was opened to everybody, UTC"),
    _column("data_rights", _CHAR, None, "meta.code", "Curation.rights", "public or proprietary"),
)
TABLE = Table(
    SCHEMA,
    "obscore",
    COLUMNS,
    description="The product files of all releases that you may read",
    utype="ivo://ivoa.net/std/obscore#table-1.1",
)


# What has its links at DataLink; a client that knows that protocol follows its ObsCore rows there.
LINKED = frozenset({"image", "cube"})
DATALINK = "application/x-votable+xml;content=datalink"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where products are had: their files, and their links where a service tells these."""

    products: str = DATA
    links: str | None = None

    @classmethod
    def below(cls, address: str) -> Self:
        """Return the doors of the service at that address."""
        return cls(f"{address}/products", f"{address}/datalink/links")

    def file(self, did: DID) -> str:
        """Return where the file of a product is."""
        return f"{self.products}/{quote('/'.join((*did.place, did.file)))}"

    def linked(self, did: DID) -> str:
        """Return where the links of a product are."""
        return f"{self.links}?ID={quote(str(did), safe='')}"


@dataclass(frozen=True, slots=True)
class Observation:
    """A product with what its release says of it at one time."""

    product: Product
    place: tuple[str, str]
    public: bool
    public_on: datetime | None
    calib_level: int
    doors: Doors = Doors()

    def row(self) -> dict[str, object]:
        """Return the values by column; what nothing tells is None."""
        did = DID(*self.place, self.product.file)
        name = "/".join(self.place)
        told = self.product.to_json()
        del told["size_bytes"], told["file"]
        linked = self.doors.links is not None and self.product.dataproduct_type in LINKED
        return told | {
            "calib_level": self.calib_level,
            "obs_collection": name,
            "obs_id": f"{name}/{did.file}",
            "obs_publisher_did": str(did),
            "access_url": self.doors.linked(did) if linked else self.doors.file(did),
            "access_format": DATALINK if linked else self.product.access_format,
            "access_estsize": max(1, round(self.product.size_bytes / 1000)),
            "obs_release_date": f"{self.public_on:%Y-%m-%dT%H:%M:%S}" if self.public_on else None,
            "data_rights": "public" if self.public else "proprietary",
        }


def rows(found: Iterable[Observation]) -> pa.Table:
    """Return the rows of these observations."""
    return pa.Table.from_pylist([observation.row() for observation in found], schema=arrow_schema(COLUMNS))
