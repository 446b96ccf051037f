"""Files that came with the package: the tutorials, and the page for researchers."""

import sys
from pathlib import Path

_SHARE = Path("share") / "bowerbird"


def tutorials() -> Path:
    """Return the folder of the tutorial notebooks."""
    return Path(sys.prefix) / _SHARE / "notebooks"


def researchers_page() -> Path:
    """Return the page for researchers, in Markdown."""
    return Path(sys.prefix) / _SHARE / "researchers.md"
