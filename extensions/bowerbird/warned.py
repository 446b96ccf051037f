"""Warnings that point at the line of whoever called, and not into this package."""

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent)


def warn(words: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside of the package, whatever way led here."""
    # Frame 0 is this one, which `warnings` counts as level 1.
    level, frame = 1, sys._getframe()  # what `warnings` does itself; 3.12 has skip_file_prefixes for it
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(words, category, stacklevel=level)
