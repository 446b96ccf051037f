"""The real releases hold what is known of the sky from elsewhere."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from demo_releases.originals import Stock
from demo_releases.releases import RELEASES
from demo_releases.sources import read_wcs

DERIVED = (
    "ngc/dr1/ngc_dr1.fits",
    "gaia-bright/dr3/gaia_bright_dr3.fits",
    "hdfs/dr1/sources.fits",
    "a370/dr1/sources.fits",
    "qso/dr1/index.fits",
    "a478/ifs-dr1/sources.fits",
    "a478/ifs-dr1/spectra.fits",
)
# Table, its extension, its image, the image's extension.
IMAGES = (
    ("hdfs/dr1/sources.fits", "HST_F606W", "hdfs/dr1/hst_f606w.fits", "DATA"),
    ("hdfs/dr1/sources.fits", "MUSE_WHITE", "hdfs/dr1/muse_white.fits", "DATA"),
    ("a370/dr1/sources.fits", "SOURCES", "a370/dr1/a370_i.fits", 0),
    ("a478/ifs-dr1/sources.fits", "SOURCES", "a478/ifs-dr1/hst_wfpc2.fits", "SCI"),
)


def positions(table: Table) -> SkyCoord:
    return SkyCoord(np.asarray(table["ra"]), np.asarray(table["dec"]), unit="deg", frame="icrs")


def row(table: Table, column: str, value: object):
    (found,) = np.flatnonzero(table[column] == value)
    return table[found]


@pytest.fixture(scope="module")
def ngc(built: Path) -> Table:
    return Table.read(built / "ngc/dr1/ngc_dr1.fits", hdu="NGC")


@pytest.fixture(scope="module")
def gaia(built: Path) -> Table:
    return Table.read(built / "gaia-bright/dr3/gaia_bright_dr3.fits")


@pytest.fixture(scope="module")
def spectra(built: Path) -> Table:
    return Table.read(built / "a478/ifs-dr1/spectra.fits")


def test_every_file_has_the_checksum_that_its_release_lists(built: Path) -> None:
    for release in RELEASES:
        place = built / str(release)
        subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "CHECKSUMS"], cwd=place, check=True)


def test_originals_are_the_packages_bytes(built: Path, downloads: Path) -> None:
    for release in RELEASES:
        copies = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (built / str(release)).iterdir()}
        kept = [original for original in release.originals if original.path.endswith((".fits", ".gz"))]
        for original in kept:
            path = Stock(downloads).folder(original) / original.path
            assert path.stat().st_size == original.size
            assert hashlib.sha256(path.read_bytes()).hexdigest() in copies


def test_attribution_names_every_file_and_keeps_terms_apart(built: Path) -> None:
    for release in RELEASES:
        text = (built / str(release) / "ATTRIBUTION.md").read_text()
        assert "not Bowerbird's" in text
        for product in release.products:
            assert product.name in text or product.name.removeprefix("SDSSJ220248.31+123656.3") in text
    assert "Attribution-ShareAlike 4.0" in (built / "ngc/dr1/ATTRIBUTION.md").read_text()
    assert "Attribution-ShareAlike 3.0 IGO" in (built / "gaia-bright/dr3/ATTRIBUTION.md").read_text()


def test_products_are_no_larger_than_they_say(built: Path) -> None:
    for release in RELEASES:
        for product in release.products:
            assert (built / str(release) / product.name).stat().st_size <= product.size


@pytest.mark.parametrize("path", DERIVED)
def test_columns_have_standard_units_ucds_and_words(built: Path, path: str) -> None:
    with fits.open(built / path, checksum=True) as hdus:
        for hdu in hdus[1:]:
            for number, column in enumerate(hdu.columns, start=1):
                assert hdu.header[f"TCOMM{number}"]
                if column.unit:
                    u.Unit(column.unit, format="fits", parse_strict="raise")
                if f"TUCD{number}" in hdu.header:
                    assert check_ucd(hdu.header[f"TUCD{number}"], check_controlled_vocabulary=True), column.name


def test_catalogues_have_the_rows_that_are_known(ngc: Table, gaia: Table, built: Path) -> None:
    assert len(ngc) == 14_026
    assert len(gaia) == 482_176
    assert (gaia["source_id"] < 0).sum() == 70
    assert len(Table.read(built / "ngc/dr1/ngc_dr1.fits", hdu="ALIASES")) > 38_000


def test_andromeda_is_where_it_is(ngc: Table) -> None:
    andromeda = row(ngc, "name", "NGC0224")
    assert (andromeda["ra"], andromeda["dec"]) == pytest.approx((10.6847, 41.2690), abs=1e-3)
    assert (andromeda["messier"], andromeda["type"], andromeda["common_names"]) == (31, "G", "Andromeda Galaxy")
    assert andromeda["redshift"] == pytest.approx(-0.001)


def test_absent_measurements_are_absent_and_not_zero(ngc: Table) -> None:
    assert (ngc["type"] == "G").sum() == 10_521
    assert np.isfinite(np.ma.filled(ngc["redshift"], np.nan)).sum() == 10_639
    assert ngc["messier"].mask.sum() == 14_026 - 110


def test_every_alias_is_of_an_object_in_the_catalogue(ngc: Table, built: Path) -> None:
    aliases = Table.read(built / "ngc/dr1/ngc_dr1.fits", hdu="ALIASES")
    assert set(aliases["name"]) <= set(ngc["name"])
    assert row(aliases, "alias", "UGC00454")["name"] == "NGC0224"


def test_image_of_m13_is_centred_on_m13(ngc: Table, built: Path) -> None:
    header = fits.getheader(built / "ngc/dr1/m13.fits")
    centre = read_wcs(header).pixel_to_world(149.5, 149.5).icrs
    assert centre.separation(positions(row(ngc, "name", "NGC6205"))).arcsec < 10


def test_image_of_ngc_1316_is_b1950_and_shows_ngc_1316(ngc: Table, built: Path) -> None:
    header = fits.getheader(built / "ngc/dr1/ngc1316.fits", 1)
    wcs = read_wcs(header)
    x, y = wcs.world_to_pixel(positions(row(ngc, "name", "NGC1316")))
    assert (float(x), float(y)) == pytest.approx((225, 146), abs=5)


def test_barnards_star_has_its_magnitudes_and_its_position_of_2016(gaia: Table) -> None:
    star = row(gaia, "source_id", 4472832130942575872)
    assert (star["ra"], star["dec"]) == pytest.approx((269.44850, 4.73942), abs=1e-5)
    magnitudes = (star["phot_g_mean_mag"], star["phot_bp_mean_mag"], star["phot_rp_mean_mag"])
    assert magnitudes == pytest.approx((8.194, 9.792, 6.958), abs=0.001)


def test_sirius_of_hipparcos_stands_at_2016_too(gaia: Table) -> None:
    sirius = positions(row(gaia, "source_id", -32349))
    at_2000 = SkyCoord(101.28715533, -16.71611586, unit="deg", pm_ra_cosdec=-546.01 * u.mas / u.yr, pm_dec=-1223.07 * u.mas / u.yr)
    moved = SkyCoord(
        at_2000.ra + at_2000.pm_ra_cosdec * 16 * u.yr / np.cos(at_2000.dec), at_2000.dec + at_2000.pm_dec * 16 * u.yr, frame="icrs"
    )
    assert sirius.separation(moved).arcsec < 0.05


def test_bright_stars_are_brighter_than_ten_and_all_over_the_sky(gaia: Table) -> None:
    assert gaia["phot_g_mean_mag"].max() < 10
    assert (gaia["dec"] < 0).sum() == 253_885
    assert len(np.unique(gaia["source_id"])) == len(gaia)


def test_cube_is_the_whole_cube(built: Path) -> None:
    with fits.open(built / "a478/ifs-dr1/muse_cube.fits") as hdus:
        assert [hdus[name].data.shape for name in ("DATA", "STAT", "DQ")] == [(3681, 40, 40)] * 3
        wcs = read_wcs(hdus["DATA"].header)
    assert wcs.spectral.pixel_to_world_values(0) * 1e10 == pytest.approx(4749.890625)


@pytest.mark.parametrize(("table", "extension", "image", "plane"), IMAGES)
def test_sources_lie_where_the_image_is_bright(built: Path, table: str, extension: str, image: str, plane: int | str) -> None:
    sources = Table.read(built / table, hdu=extension)
    with fits.open(built / image) as hdus:
        pixels, wcs = hdus[plane].data.astype(float), read_wcs(hdus[plane].header)
    sky = wcs.pixel_to_world(sources["x"] - 1, sources["y"] - 1).icrs
    assert sky.separation(positions(sources)).arcsec.max() < 1e-6
    x, y = wcs.world_to_pixel(positions(sources))
    compact = np.asarray(sources["area"]) < 5
    near = [pixels[max(0, j - 2) : j + 3, max(0, i - 2) : i + 3].max() for i, j in np.rint([x, y]).astype(int).T[compact]]
    typical = np.median(pixels[pixels != 0])
    spread = np.percentile(pixels[pixels != 0], 84) - typical
    assert (np.array(near) > typical + spread).mean() > 0.9


def test_number_of_sources_is_that_of_a_deep_field(built: Path) -> None:
    counts = [len(Table.read(built / table, hdu=extension)) for table, extension, _, _ in IMAGES]
    assert counts == pytest.approx([51, 185, 980, 583], rel=0.1)


def test_hst_and_muse_see_the_same_galaxies_in_the_same_place(built: Path) -> None:
    hst, muse = (Table.read(built / "hdfs/dr1/sources.fits", hdu=name) for name in ("HST_F606W", "MUSE_WHITE"))
    bright = positions(hst[hst["snr"] > 100])
    _, apart, _ = bright.match_to_catalog_sky(positions(muse))
    assert len(bright) >= 5
    assert np.median(apart.arcsec) < 0.5


def test_nucleus_shows_h_alpha_and_nitrogen_at_the_redshift_of_the_cluster(spectra: Table) -> None:
    nucleus = row(spectra, "name", "nucleus")
    wavelength, flux = nucleus["wavelength"], nucleus["flux"]
    window = (wavelength > 7100) & (wavelength < 7180)
    redshift = wavelength[window][flux[window].argmax()] / 6583.45 - 1
    assert redshift == pytest.approx(0.0859, abs=0.001)
    beside = flux[(wavelength > 7000) & (wavelength < 7080)]
    h_alpha = flux[abs(wavelength - 6562.8 * (1 + redshift)) < 3].max()
    assert h_alpha > 3 * np.median(beside)


def test_spectra_are_of_the_cube_beside_them(spectra: Table, built: Path) -> None:
    assert list(spectra["name"][:4]) == ["nucleus", "ring 1", "ring 2", "ring 3"]
    assert spectra["area"][0] == pytest.approx(np.pi * 0.6**2)
    with fits.open(built / "a478/ifs-dr1/muse_cube.fits") as hdus:
        plane, wcs = hdus["DATA"].data[2000].astype(float), read_wcs(hdus["DATA"].header).celestial
    x, y = (int(np.rint(value)) for value in wcs.world_to_pixel(positions(spectra[0])))
    inside = np.hypot(*(np.indices(plane.shape) - np.array([y, x])[:, None, None])) <= 3
    assert spectra["flux"][0][2000] == pytest.approx(plane[inside].mean() * np.pi * 9, rel=0.02)


def test_index_of_quasars_reads_each_file_as_its_layout_says(built: Path) -> None:
    index = Table.read(built / "qso/dr1/index.fits")
    for entry in index:
        assert (built / "qso/dr1" / str(entry["file"])).exists()
        assert 3000 < entry["wavelength_min"] < entry["wavelength_max"] < 25000
    xshooter = row(index, "file", "XShooter_XQ100.fits.gz")
    assert (xshooter["wavelength_min"], xshooter["wavelength_max"]) == pytest.approx((9817.5, 18235.0), abs=0.1)
    assert set(index["instrument"]) == {"UVES", "X-shooter", "ESI", "MagE", "BOSS"}


def test_positions_of_quasars_are_icrs_whatever_their_headers_hold(built: Path) -> None:
    index = Table.read(built / "qso/dr1/index.fits")
    known = {
        "PH957_f.fits": SkyCoord("01h03m11.27s +13d16m17.7s"),
        "SDSSJ220248.31+123656.3.fits": SkyCoord("22h02m48.31s +12d36m56.3s"),
        "XShooter_XQ100.fits.gz": SkyCoord("23h49m13.6s -37d12m59s"),
        "UM184.dat.gz": SkyCoord("23h50m57.87s -00d52m09.9s"),
    }
    for file, place in known.items():
        assert positions(row(index, "file", file)).separation(place).arcsec < 15
