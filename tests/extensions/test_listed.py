"""Values of an axis that stand in a table of the file (-TAB): those of wcslib, and a sentence where header and table do not fit."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, Wcsprm
from bowerbird.axes import edges
from bowerbird.errors import NotCuttable
from bowerbird.fits_cards import Cards
from bowerbird.listed import unlisted_header

SI = {"WAVE": 1e-9, "FREQ": 1e9}
RISING = np.array([500.0, 510.0, 535.0, 536.0, 640.0])


def written(values, index=None, **cards):
    """Return a header of one axis, and the file with its table."""
    header = fits.Header()
    header["WCSAXES"] = 1
    header.update({"CTYPE1": "WAVE-TAB", "CUNIT1": "nm", "CRVAL1": 1.0, "CRPIX1": 1.0, "CDELT1": 1.0, "PS1_0": "AXIS", "PS1_1": "VALUES"})
    header.update(cards)
    columns = [column("VALUES", np.asarray(values))]
    if index is not None:
        header["PS1_2"] = "INDEX"
        columns.append(column("INDEX", np.asarray(index, dtype=float)))
    return header, fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="AXIS")])


def column(name, array):
    return fits.Column(name, f"{array.size}D", dim=f"({','.join(map(str, reversed(array.shape)))})", array=array[None])


def ours(header, file, length):
    return edges(Cards.from_block(header.tostring().encode()), [length], 0, file)


@pytest.mark.parametrize("values", [RISING, RISING[::-1], RISING[:2], RISING[[2, 0, 4, 1, 3]]], ids=["up", "down", "two", "to and fro"])
@pytest.mark.parametrize("index", ["none", "up", "down"])
@pytest.mark.parametrize("kind", ["WAVE", "FREQ"])
def test_values_of_a_table_are_those_of_wcslib(values, index, kind) -> None:
    indexes = {"none": None, "up": np.cumsum(np.arange(1.0, len(values) + 1)), "down": -np.cumsum(np.arange(1.0, len(values) + 1))}
    first = {"none": 1.0, "up": 1.0, "down": -3.0}[index]
    header, file = written(values[:, None], indexes[index], CTYPE1=f"{kind}-TAB", CRVAL1=first, CUNIT1="nm" if kind == "WAVE" else "GHz")
    length = len(values) if index == "none" else 2
    with warnings.catch_warnings(action="ignore", category=FITSFixedWarning):
        reference = Wcsprm(header=header.tostring().encode(), hdulist=file)
    theirs = reference.p2s(np.arange(0.5, length + 1)[:, None], 1)["world"][:, 0] * SI[kind]
    wavelengths = theirs if kind == "WAVE" else 299_792_458 / theirs
    found = ours(header, file, length)
    assert found == pytest.approx(wavelengths, rel=1e-12, nan_ok=True)
    assert np.isfinite(found).sum() >= length


def test_nothing_is_known_beyond_half_a_step_of_the_table() -> None:
    header, file = written(RISING[:, None])
    found = ours(header, file, 8)
    assert np.isfinite(found).tolist() == [True] * 6 + [False] * 3
    assert found[[0, 5]] == pytest.approx(np.array([495.0, 692.0]) * 1e-9)
    header, file = written([[500.0]])
    assert ours(header, file, 1) == pytest.approx([500e-9, 500e-9]), "a table of one value knows no step"


@pytest.mark.parametrize(
    ("values", "index", "cards"),
    [
        (RISING[:, None], None, {"PS1_0": "NOWHERE"}),
        (RISING[:, None], None, {"PS1_0": "PRIMARY"}),
        (RISING[:, None], None, {"PS1_1": "NOTHING"}),
        (RISING[:, None], None, {"PV1_1": 2}),
        (RISING[:, None], None, {"PV1_3": 2}),
        (RISING[:, None], None, {"PV1_3": 0}),
        (RISING[:, None], None, {"PV1_3": 1.7}),
        (RISING[:, None], None, {"PV1_3": 2_147_483_647}),
        (RISING[:, None], None, {"CUNIT1": "kg"}),
        (RISING[:, None], [3, 1, 2, 5, 4], {}),
        (RISING[:, None], [1, 1, 1, 1, 1], {}),
        (RISING[:, None], [1, 2], {}),
        (RISING[:, None], [1, 2, 3, 4, 5, 6, 7], {}),
        (np.ones((3, 2)), None, {}),
        (np.ones((2, 3, 2)), None, {}),
        (np.ones((0, 1)), None, {}),
    ],
)
def test_a_table_that_does_not_fit_its_header_is_said_and_ends_nothing(values, index, cards) -> None:
    """Most of these end a process that lets wcslib read them."""
    header, file = written(values, index, **cards)
    with pytest.raises(NotCuttable, match=r"axis 1|the index"):
        ours(header, file, 5)


def test_another_description_whose_table_does_not_fit_ends_nothing() -> None:
    header, file = written(RISING[:, None], CTYPE1="WAVE", CUNIT1="m", CTYPE1A="WAVE-TAB", PS1_0A="AXIS", PS1_1A="VALUES", PV1_3A=7)
    plain = unlisted_header(header)
    assert list(WCS(plain, file).wcs.ctype) == ["WAVE"]
    assert unlisted_header(plain) is plain
