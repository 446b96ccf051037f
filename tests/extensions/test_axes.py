"""Cubes cut along wavelength, time and polarisation: all pixels that the wish touches, and coordinates that still hold."""

import math
import warnings

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from bowerbird import axes, image, spectral
from bowerbird.layers import layers
from bowerbird.slab import Kind, Slab, slab
from bowerbird.stencil import stencil
from bowerbird.window import Mode

from tests.extensions.skies import Mosaic, with_listed_wavelengths

PLACE, SIZE = (150.0, 2.0), "2 arcsec"
H_I = 1_420_405_751.768


def cube(path, length, *, more=(), **cards):
    """Write a cube whose third axis is as the cards say; every pixel has a value of its own."""
    header = Mosaic(shape=(20, 24)).header()
    for number in range(3, 4 + len(more)):
        header[f"CD{number}_{number}"] = cards.pop(f"CDELT{number}", 1.0)
    header.update(cards)
    shape = (*reversed(more), length, 20, 24)
    fits.PrimaryHDU(np.arange(math.prod(shape), dtype=">f4").reshape(shape), header).writeto(path, checksum=True)
    return path


def cut(path, wish, **choices):
    """Cut a slab as the service does, and read it back."""
    with image.file_descriptor(path) as descriptor, layers(descriptor, choices.get("hdu")) as chosen:
        (boxes,) = chosen.plans(stencil(PLACE, SIZE).alone())
        product = chosen.product(boxes, Mode.TRIM, path.name, wish)
        made = b"".join(product.parts(chosen.sources, product.ask(chosen.sources)))
    return fits.HDUList.fromstring(made)


def planes(path, wish, axis=0):
    """Which pixels of the third axis a slab takes, by the values that came."""
    made = cut(path, wish)[0].data
    plane = 20 * 24
    first, last = (int(values.flat[0] // plane) for values in (made.take([0], axis), made.take([-1], axis)))
    assert last - first + 1 == made.shape[axis]
    return first, last


@pytest.mark.parametrize(("air", "vacuum"), [(5006.843, 5008.240), (6562.80, 6564.61), (4861.325, 4862.683), (3726.032, 3727.092)])
def test_known_lines_in_air_are_where_they_are_in_vacuum(air, vacuum) -> None:
    """[O III], Hα, Hβ and [O II], as the Sloan survey lists them in air and in vacuum."""
    assert spectral.to_vacuum(air * 1e-10) == pytest.approx(vacuum * 1e-10, abs=5e-13)


def test_wavelengths_of_air_and_vacuum_go_back_and_forth() -> None:
    vacuum = np.geomspace(2.01e-7, 1e-3, 500)
    assert np.allclose(spectral.to_vacuum(vacuum / spectral.refraction(vacuum)), vacuum, rtol=1e-12)
    assert spectral.to_vacuum(1.5e-7) == 1.5e-7
    assert np.isnan(spectral.to_vacuum(np.nan))


def test_line_in_a_cube_of_air_is_found_by_its_vacuum_wavelength(tmp_path) -> None:
    path = cube(tmp_path / "muse.fits", 400, CTYPE3="AWAV", CUNIT3="Angstrom", CRVAL3=4800.0, CDELT3=1.25, CRPIX3=1.0)
    line = 5008.240e-10
    first, last = planes(path, Slab(band=(line, line)))
    assert first == last == round((5006.843 - 4800) / 1.25)
    other = cube(tmp_path / "vacuum.fits", 400, CTYPE3="WAVE", CUNIT3="Angstrom", CRVAL3=4800.0, CDELT3=1.25, CRPIX3=1.0)
    assert planes(other, Slab(band=(line, line)))[0] == round((5008.240 - 4800) / 1.25)


def test_band_of_listed_wavelengths_takes_the_pixels_that_the_table_says(tmp_path) -> None:
    metres = np.array([5.0, 5.1, 5.3, 5.8, 6.9]) * 1e-7
    path = with_listed_wavelengths(tmp_path / "listed.fits", metres)
    for band, expected in [
        ((5.06e-7, 5.54e-7), (1, 2)),
        ((5.8e-7, 5.8e-7), (3, 3)),
        ((6.4e-7, 1.0), (4, 4)),
        ((4.951e-7, 4.96e-7), (0, 0)),
    ]:
        made = cut(path, Slab(band=band))
        first, last = expected
        with warnings.catch_warnings(action="ignore", category=FITSFixedWarning):
            kept = WCS(made[0].header, made).wcs_pix2world([[0, 0, plane] for plane in range(made[0].shape[0])], 0)[:, 2]
        assert kept == pytest.approx(metres[first : last + 1])
    with pytest.raises(bowerbird.OutsideImage):
        cut(path, Slab(band=(7.5e-7, 8e-7)))


def test_band_takes_all_pixels_that_it_touches_and_no_more(tmp_path) -> None:
    path = cube(tmp_path / "cube.fits", 50, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0, CDELT3=1.0, CRPIX3=1.0)
    for band, expected in [
        ((509.5e-9, 519.5e-9), (10, 19)),  # from edge to edge
        ((509.49e-9, 519.51e-9), (9, 20)),
        ((510e-9, 510e-9), (10, 10)),
        ((-math.inf, 502e-9), (0, 2)),
        ((547e-9, math.inf), (47, 49)),
        ((1e-9, 1.0), (0, 49)),
    ]:
        assert planes(path, Slab(band=band)) == expected
    for band in ((1e-9, 499e-9), (550e-9, 1.0), (0.5, 1.0)):
        with pytest.raises(bowerbird.OutsideImage, match="nothing of that wavelength"):
            planes(path, Slab(band=band))


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": 0.21, "CDELT3": 1e-4},
        {"CTYPE3": "WAVE-LOG", "CUNIT3": "m", "CRVAL3": 0.21, "CDELT3": 1e-4},
        {"CTYPE3": "WAVE-F2W", "CUNIT3": "m", "CRVAL3": 0.21, "CDELT3": 1e-4},
        {"CTYPE3": "AWAV", "CUNIT3": "mm", "CRVAL3": 210.0, "CDELT3": 0.1},
        {"CTYPE3": "FREQ", "CUNIT3": "GHz", "CRVAL3": 1.42, "CDELT3": -1e-3},
        {"CTYPE3": "FREQ-LSR", "CUNIT3": "Hz", "CRVAL3": 1.42e9, "CDELT3": 1e6},
        {"CTYPE3": "ENER", "CUNIT3": "eV", "CRVAL3": 5.9e-6, "CDELT3": 1e-9},
        {"CTYPE3": "WAVN", "CUNIT3": "m-1", "CRVAL3": 4.7, "CDELT3": 1e-3},
        {"CTYPE3": "VRAD", "CUNIT3": "km/s", "CRVAL3": 1000.0, "CDELT3": 10.0, "RESTFRQ": H_I},
        {"CTYPE3": "VOPT", "CUNIT3": "m/s", "CRVAL3": 1e6, "CDELT3": 1e4, "RESTFRQ": H_I},
        {"CTYPE3": "VELO", "CUNIT3": "m/s", "CRVAL3": 1e6, "CDELT3": 1e4, "RESTWAV": 0.211},
        {"CTYPE3": "VELO-LSR", "CUNIT3": "m/s", "CRVAL3": 1e6, "CDELT3": 1e4, "RESTFREQ": H_I},
        {"CTYPE3": "FELO-HEL", "CUNIT3": "m/s", "CRVAL3": 1e6, "CDELT3": 1e4, "RESTFREQ": H_I},
        {"CTYPE3": "ZOPT", "CRVAL3": 0.01, "CDELT3": 1e-4, "RESTWAV": 0.211},
        {"CTYPE3": "BETA", "CRVAL3": 0.01, "CDELT3": 1e-4, "RESTWAV": 0.211},
        {"CTYPE3": "Wavelength", "CUNIT3": "Angstrom", "CRVAL3": 2.1e9, "CDELT3": 1e6},
    ],
)
def test_every_type_of_spectral_axis_agrees_with_astropy(tmp_path, cards) -> None:
    path = cube(tmp_path / "cube.fits", 30, CRPIX3=3.0, **cards)
    with image.file_descriptor(path) as descriptor:
        edges = axes._edges(image.image(descriptor), 2)
    assert edges.shape == (31,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        whole = WCS(fits.getheader(path))
    middles = whole.wcs_pix2world([[0, 0, k] for k in range(30)], 0)[:, 2] * u.Unit(whole.wcs.cunit[2] if str(whole.wcs.cunit[2]) else "")
    name, rest = whole.wcs.ctype[2][:4].upper(), (whole.wcs.restwav or spectral.C / (whole.wcs.restfrq or H_I)) * u.m
    if name in {"ZOPT", "BETA"}:
        beta = middles.value
        expected = rest.value * (1 + beta) if name == "ZOPT" else rest.value * np.sqrt((1 + beta) / (1 - beta))
    elif name == "AWAV":
        expected = middles.to_value("m") * spectral.refraction(middles.to_value("m"))
    else:
        how = {"VRAD": u.doppler_radio, "VOPT": u.doppler_optical, "VELO": u.doppler_relativistic}.get(name)
        expected = middles.to_value("m", how(rest) if how else u.spectral())
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    assert ((low < expected) & (expected < high)).all(), "each pixel's middle lies between its edges"
    assert np.allclose((low + high) / 2, expected, rtol=1e-6)
    chosen = planes(path, Slab(band=(float(expected[12]), float(expected[12]))))
    assert chosen == (12, 12)


def test_coordinates_of_the_cut_axis_still_hold(tmp_path) -> None:
    cards = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 5000.0, "CDELT3": 2.0, "CRPIX3": 1.5, "CTYPE3A": "VOPT", "CUNIT3A": "m/s",
             "CRVAL3A": 0.0, "CRPIX3A": 4.0, "CTYPE1A": "LINEAR", "CTYPE2A": "LINEAR",
             "CD1_1A": 1.0, "CD2_2A": 1.0, "CD3_3A": 1e5, "LTV3": 0.0}  # fmt: skip
    path = cube(tmp_path / "cube.fits", 60, **cards)
    made = cut(path, Slab(band=(5040e-10, 5060e-10)))[0]
    first = int(made.data.flat[0] // (20 * 24))
    assert first > 0
    assert made.header["CRPIX3"] == 1.5 - first
    assert made.header["CRPIX3A"] == 4.0 - first
    assert made.header["LTV3"] == -first
    assert f"{first + 1}:{first + made.shape[0]}" in str(made.header["HISTORY"])
    original = WCS(fits.getheader(path)).wcs_pix2world([[0, 0, first + 3]], 0)[0, 2]
    assert WCS(made.header).wcs_pix2world([[0, 0, 3]], 0)[0, 2] == pytest.approx(original, rel=1e-14)


def test_axis_without_a_reference_pixel_gets_one_when_it_is_cut(tmp_path) -> None:
    path = cube(tmp_path / "cube.fits", 20, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0, CDELT3=1.0)
    made = cut(path, Slab(band=(510e-9, 511e-9)))[0]
    assert made.header["CRPIX3"] == -9
    whole = cut(path, Slab())[0]
    assert "CRPIX3" not in whole.header, "what is not cut stays as it was"


def test_states_of_polarisation(tmp_path) -> None:
    freq = {"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRPIX3": 1.0}
    path = cube(tmp_path / "iquv.fits", 6, more=(4,), **freq, CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0)
    made = cut(path, Slab(states=frozenset({"Q", "U"})))[0]
    assert made.shape[:2] == (2, 6)
    assert made.header["CRPIX4"] == 0
    assert cut(path, Slab(states=frozenset({"I", "U"})))[0].shape[0] == 3, "with the one between"
    both = cut(path, Slab(states=frozenset({"V"}), band=(spectral.C / 1.4021e9, spectral.C / 1.4019e9)))[0]
    assert both.shape[:2] == (1, 1)
    with pytest.raises(bowerbird.OutsideImage, match="polarisation"):
        cut(path, Slab(states=frozenset({"XX"})))
    linear = cube(tmp_path / "xx.fits", 4, CTYPE3="STOKES", CRVAL3=-5.0, CDELT3=-1.0, CRPIX3=1.0)
    assert planes(linear, Slab(states=frozenset({"YX"}))) == (3, 3)


def test_times(tmp_path) -> None:
    cards = {"CRVAL3": 100.0, "CDELT3": 10.0, "CRPIX3": 1.0, "MJDREF": 59000.0}
    path = cube(tmp_path / "utc.fits", 20, CTYPE3="UTC", CUNIT3="s", **cards)
    at = 59000 + 150 / 86400
    assert planes(path, Slab(time=(at, at))) == (5, 5)
    terrestrial = cube(tmp_path / "tt.fits", 20, CTYPE3="TIME", CUNIT3="s", TIMESYS="TT", **cards)
    assert planes(terrestrial, Slab(time=(at - 69.184 / 86400, at - 69.184 / 86400))) == (5, 5), "TT is 69.184 s before UTC"
    days = cube(tmp_path / "days.fits", 20, CTYPE3="TIME", CUNIT3="d", **cards)
    assert planes(days, Slab(time=(59149.0, math.inf))) == (5, 19)


def test_what_an_image_has_no_axis_of_is_said(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "plain.fits")
    with image.file_descriptor(path) as descriptor:
        assert axes.kinds(image.image(descriptor)) == frozenset()
    for wish in (Slab(band=(0, 1)), Slab(time=(0, 1)), Slab(states=frozenset("I"))):
        with pytest.raises(axes.NoAxis, match="has no axis of"):
            cut(path, wish)
    both = cube(tmp_path / "both.fits", 6, more=(2,), CTYPE3="FREQ", CRVAL3=1e9, CTYPE4="STOKES", CRVAL4=1.0)
    with image.file_descriptor(both) as descriptor:
        assert axes.kinds(image.image(descriptor)) == {Kind.BAND, Kind.STATE}


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ({"CTYPE3": "VRAD", "CUNIT3": "m/s", "CRVAL3": 0.0}, "rest frequency"),
        ({"CTYPE3": "WAVELENGTH", "CUNIT3": "kg", "CRVAL3": 0.0}, "kg, which is not understood"),
        ({"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": 1.0, "CD3_1": 0.3}, "no two axes of the image are the sky alone"),
        ({"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": -500.0, "CDELT3": 1.0}, "nothing of that wavelength"),
    ],
)
def test_axes_that_are_not_understood_are_said(tmp_path, cards, says) -> None:
    header = cube(tmp_path / "cube.fits", 5, **cards)
    with pytest.raises(bowerbird.CutoutError, match=says):
        cut(header, Slab(band=(0, 1)))


def test_extensions_of_one_cube_are_cut_alike(tmp_path) -> None:
    path = cube(tmp_path / "one.fits", 30, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0, CDELT3=1.0, CRPIX3=1.0)
    with fits.open(path) as one:
        header = one[0].header
        hdus = [fits.ImageHDU(one[0].data, header, name=name) for name in ("DATA", "STAT")]
        hdus.append(fits.ImageHDU(one[0].data, name="DQ"))
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "cube.fits")
    made = cut(tmp_path / "cube.fits", Slab(band=(510e-9, 512e-9)), hdu=["DATA", "STAT", "DQ"])
    assert [hdu.shape for hdu in made[1:]] == [made[1].shape] * 3
    assert made[1].shape[0] == 3
    assert np.array_equal(made[3].data, made[1].data)
    assert "CRPIX3" not in made[3].header


def test_compressed_cubes_give_the_pixels_of_plain_ones(tmp_path) -> None:
    path = cube(tmp_path / "cube.fits", 30, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0, CDELT3=1.0, CRPIX3=1.0)
    with fits.open(path) as plain:
        squeezed = fits.CompImageHDU(plain[0].data, plain[0].header, compression_type="GZIP_1", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), squeezed]).writeto(tmp_path / "cube.fits.fz")
    wish = Slab(band=(505e-9, 507e-9))
    assert np.array_equal(cut(tmp_path / "cube.fits.fz", wish)[1].data, cut(path, wish)[0].data)


@pytest.mark.parametrize(
    ("band", "metres"),
    [
        ((480, 520) * u.nm, (4.8e-7, 5.2e-7)),
        ((520 * u.nm, 480 * u.nm), (4.8e-7, 5.2e-7)),
        (["480 nm", "5200 Angstrom"], (4.8e-7, 5.2e-7)),
        ((4.8e-7, None), (4.8e-7, math.inf)),
        ((None, 5.2e-7), (0.0, 5.2e-7)),
        (("1 GHz", "2 GHz"), (spectral.C / 2e9, spectral.C / 1e9)),
    ],
)
def test_a_band_in_any_form(band, metres) -> None:
    assert slab(band).band == pytest.approx(metres)


@pytest.mark.parametrize("band", ["480 nm", 5e-7, (1, 2, 3), ("480 pc", "520 kg"), (math.nan, 1), (-1, 1), ("blue", "red"), 500 * u.nm])
def test_what_is_no_band_is_said(tmp_path, band) -> None:
    path = cube(tmp_path / "cube.fits", 5, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0)
    with pytest.raises(ValueError, match=r"band is a pair|no wavelength"):
        bowerbird.cutout(path, PLACE, SIZE, band=band)


def test_notebook_cuts_a_band_of_a_cube(tmp_path) -> None:
    path = cube(tmp_path / "cube.fits", 30, CTYPE3="WAVE", CUNIT3="nm", CRVAL3=500.0, CDELT3=1.0, CRPIX3=1.0)
    made = bowerbird.cutout(path, PLACE, SIZE, band=(505.0, 507.0) * u.nm)
    assert np.array_equal(made[0].data, bowerbird.cutout(path, PLACE, SIZE)[0].data[5:8])
