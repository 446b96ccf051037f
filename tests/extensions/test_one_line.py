"""A mistake of the user is one line in a notebook, and one traceback in a program: no chain of what happened inside."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bowerbird
import pytest
from astropy.table import QTable

from tests.extensions.skies import Mosaic

# Where nobody may write, root among them.
CLOSED = Path("/sys/bowerbird")
PLACE = QTable({"ra": [1.0], "dec": [2.0]})


def cut(position: object, size: object, **options: Any) -> Callable[[Path], object]:
    return lambda mosaic: bowerbird.cutout(mosaic, position, size, **options)


def cut_into(folder: Callable[[Path], Path]) -> Callable[[Path], object]:
    return lambda mosaic: bowerbird.cutouts([(150.0, 2.0)], "1 arcsec", mosaic, folder=folder(mosaic))


def picture_in(path: Path) -> Callable[[Path], object]:
    return lambda mosaic: bowerbird.cutouts([(150.0, 2.0)], "1 arcsec", mosaic)["cutout"][0].stamp().write(path)


def no_image(mosaic: Path) -> object:
    (mosaic.parent / "notes.fits").write_text("no image")
    return bowerbird.cutout(mosaic.parent / "notes.fits", (150.0, 2.0), "1 arcsec")


@pytest.mark.parametrize(
    ("act", "kind", "begins"),
    [
        (cut((150.0, 2.0), 30), ValueError, "ValueError: 30 is no angle; a size needs a unit"),
        (cut("over there", "1 arcsec"), ValueError, "ValueError: 'over there' is no position; write it like"),
        (cut((150.0, 2.0), "1 arcsec", mode="pad"), ValueError, "ValueError: mode is 'trim', 'partial' or 'strict'"),
        (cut((330.0, -2.0), "5 arcsec"), bowerbird.OutsideImage, "OutsideImage: "),
        (no_image, bowerbird.NotCuttable, "NotCuttable: "),
        (lambda image: bowerbird.cutout(image.parent, (1.0, 2.0), "1 arcsec"), bowerbird.NotCuttable, "NotCuttable: this is a directory"),
        (lambda _: bowerbird.show(3), ValueError, "ValueError: show takes a table of astropy, such as query returns, not int"),
        (
            cut_into(lambda _: CLOSED),
            OSError,
            f"OSError: you may not write there; name a place of your own, in your home or a space: '{CLOSED}'",
        ),
        (cut_into(lambda _: CLOSED.parent), OSError, "OSError: you may not write there; name a place of your own"),
        (cut_into(lambda mosaic: mosaic), OSError, "OSError: a file is there where a folder should be; name a place"),
        (cut_into(lambda mosaic: mosaic / "cuts"), OSError, "OSError: a file is there where a folder should be; name a place"),
        (picture_in(CLOSED / "one.png"), OSError, "OSError: the folder for it is not there; make it, or name another: "),
        (picture_in(CLOSED), OSError, "OSError: you may not write there; name a place of your own"),
        (picture_in(CLOSED.parent), OSError, "OSError: a folder has that name; take another: '/sys'"),
        (lambda _: bowerbird.query(None), ValueError, "ValueError: a query is a text in ADQL, like 'SELECT TOP 10 * FROM "),  # type: ignore[arg-type]
        (
            lambda _: bowerbird.query("SELECT 1", {"mine": [1, 2]}),
            ValueError,
            "ValueError: mine: this list is no table; give one of astropy",
        ),
        (lambda _: bowerbird.query("SELECT 1", {"mine": None}), ValueError, "ValueError: mine: this NoneType is no table; give one of"),
        (lambda _: bowerbird.query("SELECT 1", [PLACE]), ValueError, "ValueError: tables are given by name, like {'mine': table}, not as"),  # type: ignore[arg-type]
        (lambda _: bowerbird.match([1, 2], PLACE, "1 arcsec"), ValueError, "ValueError: this list is no table; give one of astropy, Arrow"),
        (
            lambda _: bowerbird.match(PLACE, PLACE, "1 arcsec", epochs=(1991.25,)),  # type: ignore[arg-type]
            ValueError,
            "ValueError: epochs is (1991.25,); give two Julian years, and None for a table that says its own, like (1991.25, None)",
        ),
        (lambda _: bowerbird.match(PLACE, PLACE, "1 arcsec", epochs=2000), ValueError, "ValueError: epochs is 2000; give two Julian years"),  # type: ignore[arg-type]
        (
            lambda _: bowerbird.links(PLACE),
            ValueError,
            "ValueError: links are of one record, and this table has 1; take a row of it, as in ",
        ),
        (
            lambda _: bowerbird.links(PLACE[:0]),
            ValueError,
            "ValueError: links are of one record, and this table has none; take a row of it",
        ),
        (lambda _: bowerbird.query("SELECT 1", service="nonsense"), ValueError, "ValueError: service is 'nonsense', which is no web"),
        (lambda _: bowerbird.images((1.0, 2.0), "1 arcmin", service="nonsense"), ValueError, "ValueError: service is 'nonsense', "),
        (lambda _: bowerbird.cone((1.0, 2.0), "1 arcmin", service="nonsense"), ValueError, "ValueError: service is 'nonsense', "),
        (lambda _: bowerbird.cone("NGC 99999", "1 arcmin", "demo.stars"), ValueError, "ValueError: 'NGC 99999' is neither a position"),
        (lambda _: bowerbird.cone((1.0, 2.0), 3, "demo.stars"), ValueError, "ValueError: radius is 3; write an angle with its unit"),
        (lambda _: bowerbird.releases()["a371/dr1"], KeyError, "KeyError: no release 'a371/dr1' in your view; there are: ngc/dr1, "),
        (lambda view: bowerbird.about(view.parent / "none"), FileNotFoundError, "FileNotFoundError: no such file: there is no 'none'"),
    ],
)
def test_a_mistake_is_one_line(view: Path, tmp_path: Path, act: Callable[[Path], object], kind: type[Exception], begins: str) -> None:
    with pytest.raises(kind) as told:
        act(Mosaic().write(tmp_path / "mosaic.fits"))
    (line,) = told.value._render_traceback_()  # type: ignore[attr-defined]  # IPython's name for it
    assert line.startswith(begins)
    assert "".join(traceback.format_exception(told.value)).count("Traceback") == 1


def test_a_directory_in_the_place_of_an_image_leads_to_cutouts(tmp_path: Path) -> None:
    words = "^this is a directory: name a FITS file in it, or cut all images of a release with bowerbird.cutouts$"
    with pytest.raises(bowerbird.NotCuttable, match=words):
        bowerbird.cutout(tmp_path, (1.0, 2.0), "1 arcsec")
