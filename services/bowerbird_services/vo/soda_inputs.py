"""SODA 1.0, section 4: what cutouts of one product can be asked for, as the descriptor that DataLink carries."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from bowerbird.votable import Field, Input, Service

from bowerbird_services.adql import regions
from bowerbird_services.store.dids import DID
from bowerbird_services.store.products import Product
from bowerbird_services.vo.soda import FORM, HDU, STANDARD, Form

_CIRCLE: Final = 3


@lru_cache(maxsize=1024)
def descriptor(identifier: str, address: str, did: DID, product: Product) -> Service:
    """Return what the cutout service at an address takes for a product, with the ranges in which there is an answer."""
    about = f"A cutout of {product.file}: every pixel that a region, band or time touches, with a header that still fits"
    return Service(identifier, address, STANDARD, tuple(_inputs(did, product)), about, "application/fits")


def _inputs(did: DID, product: Product) -> Iterator[Input]:
    yield Input(Field("ID", "char", "*", ucd="meta.id;meta.main", description="publisher DID of the product"), str(did))
    yield from _sky(product)
    if product.em_min is not None and product.em_max is not None:
        band = Field("BAND", "double", "2", "interval", "m", "em.wl;stat.interval", description="wavelengths in vacuum")
        yield Input(band, "", repr(product.em_min), repr(product.em_max))
    if product.t_min is not None:
        time = Field("TIME", "double", "2", "interval", "d", "time.interval;obs.exposure", description="MJD, UTC")
        yield Input(time, "", repr(product.t_min), repr(product.t_max if product.t_max is not None else product.t_min))
    states = tuple(filter(None, (product.pol_states or "").split("/")))
    if states:
        polarisation = Field("POL", "char", "*", ucd="meta.code;phys.polarization", description="state of polarisation")
        yield Input(polarisation, "", options=states)
    layers = "name or number of the HDU that is cut (of one name, NAME,EXTVER), * for all images; several come in one file"
    yield Input(Field(HDU, "char", "*", ucd="meta.id", description=layers), "")
    several = (
        "how they come: fits is one region; of several, tar is an archive with a cutout of each, mef one file with an extension of each"
    )
    yield Input(Field(FORM, "char", "*", ucd="meta.code.mime", description=several), "", options=tuple(Form))


def _sky(product: Product) -> Iterator[Input]:
    outline = regions.parse(product.s_region) if product.s_region else None
    around = _around(product, outline)
    circle = Field("CIRCLE", "double", "3", "circle", "deg", "obs.field", description="right ascension, declination and radius, ICRS")
    polygon = Field("POLYGON", "double", "*", "polygon", "deg", "obs.field", description="vertices of a polygon, ICRS")
    yield Input(circle, "", high=_numbers(around) if around else None)
    yield Input(polygon, "", high=_numbers(outline) if outline and len(outline) > _CIRCLE else None)
    yield Input(Field("POS", "char", "*", ucd="obs.field", description="CIRCLE, RANGE or POLYGON with its numbers, ICRS"), "")


def _around(product: Product, outline: list[float] | None) -> list[float] | None:
    if outline and len(outline) == _CIRCLE:
        return outline
    if product.s_ra is None or product.s_dec is None or product.s_fov is None:
        return None
    return [product.s_ra, product.s_dec, product.s_fov / 2]


def _numbers(numbers: list[float]) -> str:
    return " ".join(map(repr, numbers))
