"""How soon stamps are seen: from the call in Python to the pictures in a real browser, on a page that shows the widget alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import bowerbird
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from bowerbird.kept import forget
from playwright.sync_api import Browser

from tests.bench.row import Row
from tests.extensions.widget_page import shown, streamed
from tests.support.browser import Visit, chromium, visit

_FIRST, _MILLION = 50, 1_000_000
_SIZE = "10 arcsec"
_GOAL = 1.0
_SECONDS = 60.0
# So high that the screen shows 50 stamps of the usual size at once.
_HIGH = "\n.bb-stamps { height: 800px !important; }"
_SEEN = """() => {
  const frame = document.querySelector(".bb-stamps")?.getBoundingClientRect();
  const there = (picture) => picture.complete && picture.naturalWidth > 0 && picture.getBoundingClientRect().top < frame.bottom;
  return [...document.querySelectorAll(".bb-tile img")].filter(there).length;
}"""

_ROWS = """() => ![undefined, "", "…"].includes(document.querySelector("tbody td")?.textContent)"""


def rows(rounds: int, mosaic: Path, at: SkyCoord) -> list[Row]:
    """Measure both; each round has pages of its own in one browser, and does not know the file."""
    million = Table({"ra": np.resize(at.ra.deg, _MILLION), "dec": np.resize(at.dec.deg, _MILLION), "id": np.arange(_MILLION)})
    first, opened = [], []
    with chromium() as browser:
        for _ in range(rounds):
            first.append(_stamps(browser, million[: 4 * _FIRST], mosaic, _FIRST))
            opened.append(_stamps(browser, million, mosaic, 1) + _table(browser, million))
    what = "from a 1.2 GB synthetic mosaic, warm"
    return [
        Row.alone("stamps", f"first {_FIRST} stamps of {_SIZE} on the screen, {what}", first, unit="s", goal=_GOAL, better="lower"),
        Row.alone("stamps-open", f"10⁶ rows and their first stamp on the screen, {what}", opened, unit="s", goal=_GOAL, better="lower"),
    ]


def _stamps(browser: Browser, table: Table, mosaic: Path, count: int) -> float:
    forget()
    with _page(browser) as seen:
        start = time.perf_counter()
        strip = bowerbird.stamps(table, _SIZE, mosaic, label="id")
        strip._css += _HIGH
        bring = streamed(seen, strip)
        while seen.page.evaluate(_SEEN) < count:
            if time.perf_counter() - start > _SECONDS:
                raise AssertionError(f"the first {count} stamps were not on the screen after {_SECONDS:.0f} s")
            bring()
        took = time.perf_counter() - start
        strip.close()
    return took


def _table(browser: Browser, table: Table) -> float:
    with _page(browser) as seen:
        start = time.perf_counter()
        shown(seen, bowerbird.show(table))
        seen.page.wait_for_function(_ROWS)
        return time.perf_counter() - start


@contextmanager
def _page(browser: Browser) -> Iterator[Visit]:
    with TemporaryDirectory() as pictures, visit(browser, Path(pictures)) as seen:
        seen.page.set_viewport_size({"width": 1400, "height": 1000})
        yield seen
