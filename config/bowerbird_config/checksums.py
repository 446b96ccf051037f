"""The list of SHA-256 checksums that a release may have, as sha256sum(1) writes and reads it."""

import re
from collections.abc import Mapping

# The first of these names that a release has at its top is its list.
NAMES = ("CHECKSUMS", "SHA256SUMS", "checksums.sha256", "sha256sum.txt", "sha256sums.txt")
# A longer list is not read: it would weigh on everybody who shows the release.
LARGEST_BYTES = 16 << 20

_PLAIN = re.compile(rb"(\\)?([0-9A-Fa-f]{64}) [ *](.+)", re.DOTALL)
_BSD = re.compile(rb"(\\)?SHA256 \((.+)\) = ([0-9A-Fa-f]{64})", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_MEANT = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}


def parse(text: bytes) -> Mapping[bytes, str]:
    """Return the checksum of each file, by its path below the release; a line that says no such thing is left out."""
    found: dict[bytes, str] = {}
    for line in text.split(b"\n"):
        name, digest = _line(line.removesuffix(b"\r"))
        if name:
            found.setdefault(name, digest)
    return found


def _line(line: bytes) -> tuple[bytes, str]:
    if match := _PLAIN.fullmatch(line):
        escaped, digest, name = match.groups()
    elif match := _BSD.fullmatch(line):
        escaped, name, digest = match.groups()
    else:
        return b"", ""
    if escaped:
        name = _ESCAPED.sub(lambda pair: _MEANT.get(pair[1], pair[0]), name)
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    # What lies outside of the release is none of its files.
    inside = not name.startswith(b"/") and b".." not in parts
    return (b"/".join(parts), digest.decode().lower()) if inside else (b"", "")
