"""The observations of a release are made once, beside those of others, and kept as long as the release is."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from bowerbird_config.collections import Release
from bowerbird_services.store.observed import Observations
from bowerbird_services.store.products import Product
from bowerbird_services.store.shelf import Holdings, Shelf

AT = datetime(2027, 1, 1, tzinfo=UTC)
RELEASE = Release.model_validate({"title": "First", "public": True})
ONE = (Product(file="a.fits", access_format="application/fits", size_bytes=1, dataproduct_type="image"),)
LARGE, SMALL = ("sky", "large"), ("sky", "small")


@dataclass
class FakeShelf:
    """A shelf whose releases a test lays down itself."""

    products: dict[Any, Any] = field(default_factory=dict)

    def holdings(self) -> Holdings:
        return Holdings(products=dict(self.products))


class Slow(tuple[Product, ...]):
    """Products whose rows take as long as a test wants."""

    def __iter__(self) -> Iterator[Product]:
        begun.set()
        assert go_on.wait(30)
        return super().__iter__()


begun, go_on = threading.Event(), threading.Event()


def test_a_large_release_keeps_no_other_waiting() -> None:
    observations = Observations(cast(Shelf, FakeShelf({LARGE: Slow(ONE), SMALL: ONE})))
    with ThreadPoolExecutor(2) as threads:
        large = threads.submit(observations.of, LARGE, RELEASE, AT)
        try:
            assert begun.wait(30)
            small = threads.submit(observations.of, SMALL, RELEASE, AT).result(10)
            assert not large.done()
        finally:
            go_on.set()
        assert large.result(30).rows.num_rows == small.rows.num_rows == 1
    assert observations.of(LARGE, RELEASE, AT) is large.result()


def test_what_is_gone_is_let_go() -> None:
    shelf = FakeShelf({LARGE: ONE, SMALL: ONE})
    observations = Observations(cast(Shelf, shelf))
    kept, gone = observations.of(SMALL, RELEASE, AT), weakref.ref(observations.of(LARGE, RELEASE, AT))
    del shelf.products[LARGE]
    assert observations.of(SMALL, RELEASE, AT) is kept
    gc.collect()
    assert gone() is None
    assert observations.of(LARGE, RELEASE, AT).rows.num_rows == 0
    assert observations.of(LARGE, RELEASE, AT) is observations.of(LARGE, RELEASE, AT)
