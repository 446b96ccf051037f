"""Publisher DIDs: `ivo://x-bowerbird/COLLECTION/RELEASE?quoted/path`, one name for each product of a release. Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from urllib.parse import quote, unquote

from bowerbird_config.links import AUTHORITY

# Longer than any path that a file system has, each byte of it quoted.
_MOST: Final = 16_384
# IVOA Identifiers 2.0, section 2.3: what stands before the question mark is compared without case, what follows is not.
_SHAPE: Final = re.compile(rf"ivo://{AUTHORITY}/(?P<collection>[\w.-]+)/(?P<release>[\w.-]+)\?(?P<file>[^?#]+)", re.ASCII | re.IGNORECASE)


class NoDID(ValueError):
    """A text that names no product of this platform."""


@dataclass(frozen=True, slots=True)
class DID:
    """The name of one product: its release, and the file as the product itself says it. It is compared, never opened."""

    collection: str
    release: str
    file: str

    def __str__(self) -> str:
        return f"ivo://{AUTHORITY}/{self.collection}/{self.release}?{quote(self.file)}"

    @property
    def place(self) -> tuple[str, str]:
        """The release that it names."""
        return self.collection, self.release

    @classmethod
    @lru_cache(maxsize=1024)  # a client asks for many pieces of one product
    def parse(cls, text: str) -> Self:
        """Return what a text names; NoDID where it isn't written exactly as `str` writes it."""
        shape = _SHAPE.fullmatch(text) if len(text) <= _MOST else None
        if shape is None:
            raise NoDID
        try:
            found = cls(shape["collection"].lower(), shape["release"].lower(), unquote(shape["file"], errors="strict"))
        except UnicodeDecodeError:
            raise NoDID from None
        # One product has one name: other quotings of a path are names of nothing.
        if str(found).partition("?")[2] != shape["file"]:
            raise NoDID
        return found
