"""The HiPS and MOCs of the releases' images, made as the tables are: in a sandbox, beside the platform, when images change."""

from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.table_order import TableOrder
from bowerbird_hub.state.state_files import read_json
from bowerbird_hub.supervision.tables import Tables, stamp

_PRODUCTS = "products.json"


@dataclass(frozen=True, slots=True)
class Surveys(Tables):
    """The making of the HiPS of one platform."""

    seconds: float = 30.0

    @property
    def name(self) -> str:
        """What it makes: its log and its row are called so."""
        return "surveys"

    @property
    def place(self) -> Path:
        """Where it puts what it makes."""
        return self.var.surveys

    @property
    def program(self) -> str:
        """The module that makes it."""
        return "bowerbird_services.ingest.run_hips"

    def traces(self, order: TableOrder) -> str:
        """Return what changes when an image does: where each release lies, and the files that the ingest of tables found in it."""
        told = []
        for release in order.releases:
            known = read_json(self.var.tables / release.collection / release.release / _PRODUCTS).get("products", [])
            files = [release.directory / str(product.get("file")) for product in known]
            told += [f"{release.name} {path} {stamp(path)}" for path in (release.directory, *files)]
        return "\n".join(told)

    def made(self) -> object:
        """Return what changes when a survey is lost: a single tile is not watched."""
        return {path: stamp(path) for path in self.place.glob("*/*/*")}
