"""What the pages say of a release's images: where on the sky they are, which they are, and the addresses at which they are had. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote

from bowerbird_services.pages.markup import Html, Part, tag
from bowerbird_services.store.catalogues import SeenRelease
from bowerbird_services.store.dids import DID
from bowerbird_services.store.obscore import LINKED
from bowerbird_services.store.products import Product

# The HiPS of a release: the band of each, and what it is called in addresses.
Surveys: TypeAlias = Sequence[tuple[str, str]]
# How an address is shown.
_Shown: TypeAlias = Callable[[str], Html]

# More are found by a search.
_SHOWN: Final = 10


def images(release: SeenRelease, drawn: Html | None, surveys: Surveys, address: str, heading: str) -> list[Part]:
    """Return what is told of the images of a release that may be read; `drawn` is what they cover, `address` the service's."""
    found = [product for product in release.products if product.dataproduct_type in LINKED]
    if not found and drawn is None:
        return []
    # A browser that is signed in has no token, which an address of a closed release asks for.
    public = release.decision.rule == "release.public"
    shown = _link if public else _code
    told = [*_sky(release.full_name, drawn, surveys, address, shown), *(_found(release, found, address, shown) if found else [])]
    if not public:
        words = "These addresses need a token, as the page Connect makes one; signing in here opens these pages alone."
        told.append(tag("p", words, class_="quiet"))
    return [tag(heading, "Its images on the sky"), *told]


def _code(url: str) -> Html:
    return tag("code", url)


def _link(url: str) -> Html:
    return tag("a", _code(url), href=url)


def _sky(name: str, drawn: Html | None, surveys: Surveys, address: str, shown: _Shown) -> list[Part]:
    if drawn is None:
        return []
    forms = ("ascii", "json", "svg")
    others = [tag("span", ", " if number else "", tag("code", f"?RESPONSEFORMAT={form}")) for number, form in enumerate(forms)]
    return [
        drawn,
        *_surveys(surveys, address),
        tag("p", "What they cover, as a MOC: ", shown(f"{address}/moc/{name}"), ", in FITS or with ", *others, "."),
    ]


def _surveys(surveys: Surveys, address: str) -> list[Part]:
    # No links: in a browser they lead back to this page.
    if len(surveys) == 1:
        return [tag("p", "As a HiPS, for Aladin and other maps: ", tag("code", f"{address}/hips/{surveys[0][1]}"))]
    each = [tag("li", f"{band or 'images that name no band'}: ", tag("code", f"{address}/hips/{name}")) for band, name in surveys]
    return [tag("p", "As HiPS, for Aladin and other maps, one for each band:"), tag("ul", *each)]


def _found(release: SeenRelease, found: list[Product], address: str, shown: _Shown) -> list[Part]:
    named = [(product, str(DID(release.collection, release.name, product.file))) for product in found[:_SHOWN]]
    rows = [tag("li", f"{product.file}, {product.dataproduct_type}: ", tag("code", did)) for product, did in named]
    more = f"{len(found) - _SHOWN} more, and all of them" if len(found) > _SHOWN else "All of them"
    asked, middle = f"ID={quote(named[0][1], safe='')}", _middle(found[0])
    cut = f"{address}/soda/sync?{asked}&CIRCLE={middle or 'RA+DEC+RADIUS'}"
    return [
        tag("ul", *rows),
        tag("p", f"{more} by SIA 2: ", shown(f"{address}/sia2/query?COLLECTION={release.full_name}")),
        tag("p", "What belongs to one, by DataLink: ", shown(f"{address}/datalink/links?{asked}")),
        tag("p", "Cut around a place, in degrees, by SODA: ", shown(cut) if middle else _code(cut)),
    ]


def _middle(product: Product) -> str:
    """Return a circle around the middle of an image, as an address has it; nothing where its place is not known."""
    known = product.s_ra is not None and product.s_dec is not None
    return f"{product.s_ra:.5f}+{product.s_dec:.5f}+{(product.s_fov or 0.1) / 8:.1g}" if known else ""
