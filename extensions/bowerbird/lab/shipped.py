"""Files that came with the package: the tutorials, and the page for researchers; and Aladin Lite, which the set-up puts beside them."""

import sys
from pathlib import Path

_SHARE = Path("share") / "bowerbird"


def tutorials() -> Path:
    """Return the folder of the tutorial notebooks."""
    return Path(sys.prefix) / _SHARE / "notebooks"


def researchers_page() -> Path:
    """Return the page for researchers, in Markdown."""
    return Path(sys.prefix) / _SHARE / "researchers.md"


# Its own texts; it is no part of Bowerbird, and stays a file of its own.
ALADIN_LICENCES = ("COPYING", "LICENSE")


def aladin() -> Path:
    """Return the folder of Aladin Lite: one script, and its licence."""
    return Path(sys.prefix) / _SHARE / "aladin-lite"
