"""What whoever asks takes, as the headers Accept and Accept-Encoding list it (RFC 9110, 12.4.2)."""

import re
from typing import Final

_NEVER: Final = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


def accepted(header: str) -> set[str]:
    """Return the names in a header, in small letters, without those of weight zero; a weight that is no number counts as none given."""
    ranges = (part.split(";") for part in header.lower().split(","))
    return {name.strip() for name, *parameters in ranges if not any(map(_NEVER.fullmatch, parameters))}
