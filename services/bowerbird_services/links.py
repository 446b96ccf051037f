"""What belongs to one product, for whoever asks: the rows of DataLink, by the access decision of each release and by what is there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from bowerbird_config.identity import Identity

from bowerbird_services.archive import Archive, ClosedRecord, NoRecord, Record
from bowerbird_services.previews import SIZES, Previews
from bowerbird_services.products import media_type
from bowerbird_services.relations import Relation
from bowerbird_services.release_files import ClosedFile, NoFile, ReleaseFile
from bowerbird_services.store.dids import DID
from bowerbird_services.store.obscore import DATALINK, LINKED
from bowerbird_services.store.products import Product

PUBLIC: Final = "optional"
PROPRIETARY: Final = "true"
_FITS: Final = "application/fits"
_PNG: Final = "image/png"


@dataclass(frozen=True, slots=True)
class Link:
    """One row: an address, a service by the id of its descriptor, or an error (DataLink 1.1, section 3.2)."""

    id: str
    semantics: str
    access_url: str | None = None
    service_def: str | None = None
    error_message: str | None = None
    description: str | None = None
    content_type: str | None = None
    content_length: int | None = None
    content_qualifier: str | None = None
    link_auth: str | None = None
    link_authorized: bool | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """A product that the service of cutouts takes, and the id of its descriptor."""

    id: str
    did: DID
    product: Product


class Links:
    """Finds the links of products. `base` is the address of DataLink itself."""

    def __init__(self, archive: Archive, base: str) -> None:
        self._archive = archive
        self._base = base

    def of(self, identity: Identity, asked: str, at: datetime, service: str) -> tuple[list[Link], Cut | None]:
        """Return the links of what somebody named, and what of it can be cut, then by a service of that id."""
        try:
            record = self._archive.record(identity, asked, at)
            with self._archive.opened(record) as file:
                cut = Cut(service, record.did, record.product) if _is_cuttable(record) else None
                own = list(self._own(record, file, asked, cut))
        except NoRecord:
            return [_missing(asked, "there is no product of that name that you may read")], None
        except ClosedRecord as error:
            return [Link(asked, "#this", error_message=f"DefaultFault: {error}")], None
        except NoFile:
            return [_missing(asked, "the file of the product is not there any more")], None
        except ClosedFile as error:
            return [Link(asked, "#this", error_message=f"FatalFault: {error}")], None
        related = [link for relation in self._archive.relations(record.did) for link in self._related(identity, relation, asked, at)]
        return [*own, *related], cut

    def _own(self, record: Record, file: ReleaseFile, asked: str, cut: Cut | None) -> Iterator[Link]:
        product, doors = record.product, self._archive.doors
        common = Link(asked, "", link_auth=PUBLIC if record.public else PROPRIETARY, link_authorized=True)
        kind = f"#{product.dataproduct_type}"
        if not self._archive.is_cut_only(record.did):
            yield replace(
                common,
                semantics="#this",
                access_url=doors.file(record.did),
                description=product.file,
                content_type=product.access_format,
                content_length=file.size,
                content_qualifier=kind,
            )
        if cut is not None:
            words = f"Cutouts of {product.file} by {' or '.join(_ways(product))}"
            yield replace(common, semantics="#cutout", service_def=cut.id, description=words, content_type=_FITS, content_qualifier=kind)
        if product.dataproduct_type in LINKED and Previews.is_made_of(file):
            for name, pixels in SIZES.items():
                address = f"{self._base}/preview?ID={quote(asked, safe='')}&SIZE={pixels}"
                words = f"A picture of {product.file}, at most {pixels} pixels wide and high"
                yield replace(
                    common, semantics=f"#{name}", access_url=address, description=words, content_type=_PNG, content_qualifier="#image"
                )

    def _related(self, identity: Identity, relation: Relation, asked: str, at: datetime) -> Iterator[Link]:
        """Yield the link to a relation; none where it is hidden or not there, which look the same."""
        target, doors = relation.target, self._archive.doors
        decision = self._archive.decision(identity, target.place, at)
        link = Link(asked, f"#{relation.semantics}", description=relation.description or target.file)
        if not decision.allowed:
            if not decision.hidden:
                # No file of a closed release is named: a fault stands where its address would.
                words = relation.description or "/".join(target.place)
                yield replace(
                    link,
                    description=words,
                    error_message=f"DefaultFault: {decision.sentence}",
                    link_auth=PROPRIETARY,
                    link_authorized=False,
                )
            return
        try:
            with self._archive.file(target) as file:
                size = file.size
        except (NoFile, ClosedFile):
            return
        auth = PUBLIC if self._archive.is_public(target.place, at) else PROPRIETARY
        link = replace(link, link_auth=auth, link_authorized=True)
        product = self._archive.product(target)
        kind = f"#{product.dataproduct_type}" if product else None
        if self._archive.is_cut_only(target):
            yield replace(link, access_url=doors.linked(target), content_type=DATALINK, content_qualifier=kind)
        else:
            mime = product.access_format if product else media_type(target.file)
            yield replace(link, access_url=doors.file(target), content_type=mime, content_length=size, content_qualifier=kind)


def _ways(product: Product) -> Iterator[str]:
    """Yield by what a product is cut: what its descriptor takes."""
    yield "position"
    for way, known in (("wavelength", product.em_min), ("time", product.t_min), ("polarisation", product.pol_states)):
        if known is not None:
            yield way


def _missing(asked: str, why: str) -> Link:
    return Link(asked, "#this", error_message=f"NotFoundFault: {why}")


def _is_cuttable(record: Record) -> bool:
    return record.product.dataproduct_type in LINKED and record.product.access_format == _FITS
