"""DataLink 1.1, section 4: the descriptor that stands beside rows of products and says where the links of each are told."""

import re
from collections.abc import Sequence
from typing import Final

from bowerbird.votable import Field, Input, Service

from bowerbird_services.store.obscore import DATALINK, TABLE
from bowerbird_services.tables import Column, Table

STANDARD: Final = "ivo://ivoa.net/std/DataLink#links-1.1"
# No column has this name as an ID, for the dash.
_ID: Final = "product-links"
_NAMES: Final = "obscore:Curation.publisherDID"
# What XML takes as an ID, and no system of positions or times has; clients look for the column by it, and some of them by its name.
_IDENTIFIER: Final = re.compile(r"(?!(?:system|time)[0-9])[A-Za-z_][A-Za-z0-9_]*")


def link_descriptor(columns: Sequence[Column], tables: Sequence[Table], address: str | None) -> tuple[Service, ...]:
    """Return the descriptor where a column of an answer has the identifiers of the archive's products, which have links at an address."""
    if address is None or not any(table is TABLE for table in tables):
        return ()
    named = next((column.name for column in columns if column.utype == _NAMES and _IDENTIFIER.fullmatch(column.name)), None)
    if named is None:
        return ()
    identifier = Field("ID", "char", "*", ucd="meta.id;meta.main", ref=named, description="identifiers of products")
    about = "What belongs to the product of each row: its file, its cutouts, previews, and its relatives"
    return (Service(_ID, address, STANDARD, (Input(identifier),), about, DATALINK),)
