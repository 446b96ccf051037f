"""The observations of one release: their ObsCore rows, and what a search over them compares, made once for each making of the release."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bowerbird_config.collections import Release

from bowerbird_services.sky_regions import Interval, Region
from bowerbird_services.store import obscore
from bowerbird_services.store.footprints import Footprints, Watch
from bowerbird_services.store.products import Product
from bowerbird_services.store.shelf import Shelf

Array: TypeAlias = np.ndarray[Any, Any]
# So many different sets of releases are kept as one.
_MOST_SIGHTS = 16


@dataclass(frozen=True, slots=True)
class Overlap:
    """Observations whose span, from column `low` to column `high`, has a value in common with one of the intervals."""

    low: str
    high: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for: of each kind of condition one must hold, and all kinds together. `formats` are those of the row or of the file."""

    regions: tuple[Region, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    equal: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


class Observed:
    """Observations of a release, or of several (then `parts`), at a time when its standing was as it is in the rows."""

    def __init__(self, rows: pa.Table, products: tuple[Product, ...], parts: "tuple[Observed, ...]" = ()) -> None:
        self.rows = rows
        self.products = products
        self._parts = parts
        self._numbers: dict[str, Array] = {}

    @cached_property
    def footprints(self) -> Footprints:
        """Where each is on the sky."""
        if self._parts:
            return Footprints.together([part.footprints for part in self._parts])
        return Footprints([(product.s_region, product.s_ra, product.s_dec) for product in self.products])

    @cached_property
    def _formats(self) -> pa.Array:
        return pa.array([product.access_format for product in self.products], pa.string())

    def matching(self, search: Search, watch: Watch = lambda: None) -> pa.Table:
        """Return the rows that answer; what is not known of an observation matches nothing. What `watch` raises ends it."""
        fits = np.ones(self.rows.num_rows, bool)
        for overlap in search.overlaps:
            fits &= self._overlapping(overlap)
        for name, values in search.equal.items():
            fits &= _is_one_of(self.rows[name], values)
        if search.formats:
            fits &= _is_one_of(self.rows["access_format"], search.formats) | _is_one_of(self._formats, search.formats)
        if search.states:
            told = self.rows["pol_states"]
            fits &= _any(pc.fill_null(pc.match_substring(told, f"/{state}/"), False) for state in search.states)
        if search.regions and fits.any():
            fits = self._touched(search.regions, fits, watch)
        return self.rows if fits.all() else self.rows.filter(pa.array(fits))

    def _touched(self, asked: tuple[Region, ...], among: Array, watch: Watch) -> Array:
        found = np.zeros_like(among)
        for region in asked:
            found |= self.footprints.touched(region, among & ~found, watch)
        return found

    def _overlapping(self, overlap: Overlap) -> Array:
        low, high = self._number(overlap.low), self._number(overlap.high)
        # Of an exposure whose end nobody wrote down, its begin is known.
        low, high = np.where(np.isnan(low), high, low), np.where(np.isnan(high), low, high)
        return _any((low <= asked.high) & (high >= asked.low) for asked in overlap.intervals)

    def _number(self, name: str) -> Array:
        if name not in self._numbers:
            self._numbers[name] = self.rows[name].to_numpy().astype(float)
        return self._numbers[name]


def _is_one_of(column: pa.Array | pa.ChunkedArray, values: tuple[str | int, ...]) -> Array:
    return np.asarray(pc.is_in(column, value_set=pa.array(values, column.type)))


def _any(masks: Iterable[Any]) -> Array:
    found: Array = np.logical_or.reduce([np.asarray(mask) for mask in masks])
    return found


def together(several: tuple[Observed, ...]) -> Observed:
    """Return the observations of several releases, in their order."""
    rows = pa.concat_tables([obscore.rows(()), *(one.rows for one in several)])
    return Observed(rows, tuple(product for one in several for product in one.products), several)


class Observations:
    """The observations of every release of a shelf; safe to ask from many threads."""

    def __init__(self, shelf: Shelf, doors: obscore.Doors = obscore.Doors()) -> None:  # noqa: B008  # a value
        self._shelf = shelf
        self.doors = doors
        # Guards the two below, and nothing is made under it: rows of a large release keep waiting only who asks for them.
        self._lock = threading.Lock()
        self._making: dict[tuple[str, str], threading.Lock] = {}
        self._made: dict[tuple[str, str], tuple[tuple[object, ...], Observed]] = {}
        self._nothing = Observed(obscore.rows(()), ())
        # By the releases themselves: those who may read the same ones share what is made of these.
        self._together = lru_cache(maxsize=_MOST_SIGHTS)(together)

    def of_all(self, several: Iterable[Observed]) -> Observed:
        """Return those of several releases as one."""
        return self._together(tuple(several))

    def at_hand(self, place: tuple[str, str], release: Release, at: datetime) -> Observed | None:
        """Return what `of` returns where that is made already; None where it would have to be waited for."""
        products = self._shelf.holdings().products.get(place)
        if not products:
            return self._nothing
        (of, *standing), found = self._made.get(place, ((None,), self._nothing))
        return found if of is products and standing == [release.public_at(at), release.public_on, release.calib_level] else None

    def of(self, place: tuple[str, str], release: Release, at: datetime) -> Observed:
        """Return those of a release whose reading was decided already."""
        held = self._shelf.holdings().products
        products, public = held.get(place, ()), release.public_at(at)
        with self._lock:
            for gone in self._made.keys() - held.keys():
                del self._made[gone]
                self._making.pop(gone, None)
            making = self._making.setdefault(place, threading.Lock())
        with making:
            known = self.at_hand(place, release, at)
            if known is not None:
                return known
            told = (public, release.public_on, release.calib_level)
            rows = obscore.rows(obscore.Observation(product, place, *told, self.doors) for product in products)
            found = Observed(rows, products)
            with self._lock:
                self._made[place] = ((products, *told), found)
            self._together.cache_clear()  # nobody will ask for what it replaces
            return found
