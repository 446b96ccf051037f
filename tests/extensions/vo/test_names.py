"""Positions as people write them."""

from pathlib import Path

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from bowerbird.vo.names import position


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    objects = Table({"name": ["NGC0224", "IC0434", "NGC6205"], "ra": [10.6847, 85.25, 250.423], "dec": [41.269, -2.45, 36.461]})
    objects["messier"] = [31, 0, 13]
    objects["common_names"] = ["Andromeda Galaxy", "Horsehead Nebula", "Hercules Globular Cluster,Great Cluster"]
    aliases = Table({"name": ["NGC0224", "NGC9999"], "alias": ["UGC00454", "LOST"]})
    file = tmp_path / "releases/ngc/dr1/ngc_dr1.fits"
    file.parent.mkdir(parents=True)
    hdus = [fits.table_to_hdu(table) for table in (objects, aliases)]
    hdus[0].name, hdus[1].name = "NGC", "ALIASES"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(file)
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    return file


@pytest.mark.parametrize("name", ["NGC 224", "ngc0224", "N224", "M31", "m 31", "Messier 31", "Andromeda galaxy", "UGC 00454", "NGC0224"])
def test_any_name_of_an_object_is_its_position(name: str) -> None:
    assert position(name).separation(SkyCoord(10.6847, 41.269, unit="deg")) < 0.01 * u.arcsec


def test_one_of_several_common_names_will_do() -> None:
    assert position("Great Cluster").ra.deg == pytest.approx(250.423)
    assert position("IC 434").dec.deg == pytest.approx(-2.45)


@pytest.mark.parametrize("written", ["10h00m00s +02d00m00s", "150.0 2.0", "10:00:00 +02:00:00", (150.0, 2.0), SkyCoord("10h +2d")])
def test_positions_are_read_as_a_cutout_reads_them(written: object) -> None:
    assert position(written).separation(SkyCoord(150, 2, unit="deg")) < 0.01 * u.arcsec


def test_other_frames_become_icrs() -> None:
    galactic = SkyCoord(120, 30, unit="deg", frame="galactic")
    assert position(galactic).name == "icrs"
    assert position(galactic).separation(galactic) < 0.001 * u.arcsec


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(ValueError, match=r"'Vulcan' is neither a position .* nor a known name; names are looked up in the release ngc/dr1"):
        position("Vulcan")


def test_without_the_release_a_name_is_not_known_and_a_position_still_is(data: Path) -> None:
    data.unlink()
    with pytest.raises(ValueError, match="nor a known name"):
        position("M31")
    assert position("10h00m00s +02d00m00s").ra.deg == pytest.approx(150)
