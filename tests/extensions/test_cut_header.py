"""The block of a header that is filled in is the header that is written card by card, whatever the original looks like."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from bowerbird.cut_header import cut_header, patched
from bowerbird.fits_checksum import encode, ones_sum, renewed
from bowerbird.image import image
from bowerbird.window import Window
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.extensions.skies import Mosaic

LETTERS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=47)
COMMENTS = st.dictionaries(st.sampled_from(["NAXIS1", "CRPIX1", "CRPIX2", "CRPIX1A", "LTV1", "CHECKSUM"]), LETTERS, max_size=4)
CARDS = st.fixed_dictionaries(
    {},
    optional={
        "LTV1": st.floats(-1e7, 1e7),
        "LTV2": st.integers(-5, 5),
        "DETSEC": st.just("[1:230,1:170]"),
        "DATAMAX": st.floats(0, 1),
        "DATASEC": st.just("[11:220,1:160]"),
        "NEXTEND": st.integers(1, 9),
        "NOTE": st.text("abc '&/", min_size=60, max_size=90),
        "CRPIX1": st.floats(-1e9, 1e9),
        "CRPIX2": st.sampled_from([1e-20, 1.0e22, 12345.678901234567, 0.0]),
        "HISTORY": st.just("made by hand"),
    },
)
SPAN = st.tuples(st.integers(-40, 200), st.integers(1, 400))


def written(path: Path, cards: dict[str, object], comments: dict[str, str], *, checksum: bool, alternate: bool) -> Path:
    header = Mosaic().header()
    header.update(cards)
    if alternate:
        header.update({"CTYPE1A": "XPIXEL", "CTYPE2A": "YPIXEL", "CRPIX1A": 0.5, "CRPIX2A": -3.25, "CRVAL1A": 1.0, "CRVAL2A": 1.0})
    hdu = fits.PrimaryHDU(Mosaic().pixels(), header)
    for keyword, comment in comments.items():
        if keyword in hdu.header:
            hdu.header.comments[keyword] = comment
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # comments that are too long for their cards
        hdu.writeto(path, checksum=checksum)
    return path


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    {"CRPIX1": 1 / 3},
    {"CRPIX1": "a comment that a long value cuts off, and a short one does not"},
    (True, True),
    [((0, 230), (0, 170))] * 2,
    "m.fits",
)
@given(
    CARDS, COMMENTS, st.tuples(st.booleans(), st.booleans()), st.lists(st.tuples(SPAN, SPAN), min_size=1, max_size=6), st.text(max_size=90)
)
def test_filled_in_is_as_written_card_by_card(tmp_path_factory, cards, comments, has, spans, name) -> None:
    checksum, alternate = has
    path = written(tmp_path_factory.mktemp("header") / "one.fits", cards, comments, checksum=checksum, alternate=alternate)
    with path.open("rb") as file:
        one = image(file.fileno())
    content = np.random.default_rng(len(name)).bytes(2880)
    for number, ((x, width), (y, height)) in enumerate(spans):
        wanted = slice(x, x + width), slice(y, y + height)
        present = tuple(slice(max(0, part.start), min(length, part.stop)) for part, length in zip(wanted, one.shape, strict=True))
        window = Window(wanted if number % 2 else present, present)
        plain, filled = patched(one, window, name, 3), cut_header(one, window, name, 3)
        assert filled.block == plain.block()
        assert filled.finished(content) == renewed(plain, content)
        assert ones_sum(filled.finished(content), content) == 0xFFFFFFFF or not checksum


def test_a_header_whose_cuts_have_ever_longer_histories_and_more_cards(tmp_path) -> None:
    path = written(tmp_path / "one.fits", {}, {}, checksum=True, alternate=False)
    with path.open("rb") as file:
        one = image(file.fileno())
    windows = [Window((part, part), (part, part)) for part in (slice(0, 9), slice(8, 12), slice(100, 111), slice(0, 170), slice(0, 9))]
    for name in ("a.fits", "b" * 60 + ".fits", "c" * 200, "é" * 40):
        for window in windows:
            assert cut_header(one, window, name, 0).block == patched(one, window, name, 0).block()


@pytest.mark.parametrize("seed", range(5))
def test_the_letters_of_a_checksum_are_astropys(seed) -> None:
    totals = [0, 1, 0xFFFFFFFF, *np.random.default_rng(seed).integers(0, 1 << 32, 200).tolist()]
    for total in totals:
        assert encode(total) == fits.PrimaryHDU()._char_encode(~total & 0xFFFFFFFF)


def test_astropy_finds_the_sums_right(tmp_path) -> None:
    path = written(tmp_path / "one.fits", {"LTV1": 3.0}, {}, checksum=True, alternate=True)
    with path.open("rb") as file:
        one = image(file.fileno())
    part = slice(3, 39)
    content = np.random.default_rng(1).normal(size=(36, 36)).astype(">f4").tobytes()
    content += bytes(-len(content) % 2880)
    block = cut_header(one, Window((part, part), (part, part)), "one.fits", 0).finished(content)
    with fits.open(io.BytesIO(bytes(block) + content), checksum=True) as hdus:
        assert hdus[0].verify_checksum() == hdus[0].verify_datasum() == 1
