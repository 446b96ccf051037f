"""A release as the recipe sees it: the files that it is made of, each with the way to make it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo_releases.originals import Original, Stock

Make = Callable[[Stock, Path], None]


@dataclass(frozen=True, slots=True)
class Product:
    """One file of a release: `make` writes it whole to the path that it is given; `size` is what it takes at most."""

    name: str
    make: Make
    size: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose a part of a release is: the files, their origin, the terms, and what to cite."""

    files: str
    origin: str
    licence: str
    cite: str


@dataclass(frozen=True, slots=True)
class Release:
    """One data release: its products in the order of their making, and whom they are owed to.

    `edition` grows when the recipe makes other bytes of the same originals.
    """

    collection: str
    name: str
    title: str
    originals: tuple[Original, ...]
    products: tuple[Product, ...]
    credits: tuple[Credit, ...]
    edition: int = 1

    def __str__(self) -> str:
        """Return collection and release as a path names them."""
        return f"{self.collection}/{self.name}"

    @property
    def size(self) -> int:
        """The room that the release takes at most, in bytes."""
        return sum(product.size for product in self.products)


def copy(original: Original, name: str | None = None) -> Product:
    """Return the product that is an original, byte for byte, perhaps under another name."""

    def make(stock: Stock, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in stock.read(original):
                file.write(chunk)

    return Product(name or original.name, make, original.size)


def attribution(release: Release) -> str:
    """Return ATTRIBUTION.md: whose each file is, and under which terms, apart from the licence of Bowerbird's code."""
    head = (
        f"# {release.title}: whose data this is\n\n"
        "These data are not Bowerbird's. The licence of Bowerbird's code does not cover them: each file keeps the terms below,\n"
        "and so does a table that was derived from it. Files called *original* are copies, byte for byte.\n"
    )
    return "\n".join([head, *map(_section, release.credits)])


def _section(credit: Credit) -> str:
    return f"## {credit.files}\n\n- Origin: {credit.origin}\n- Terms: {credit.licence}\n- Cite: {credit.cite}\n"
