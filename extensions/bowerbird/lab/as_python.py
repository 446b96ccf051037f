"""How an argument of a call is written in the Python that a widget gives to copy."""

import os
from collections.abc import Mapping
from typing import Any

from astropy.units import Quantity

_MOST_PARTS = 5
# A line or two.
_LONGEST = 200


def as_python(given: Any, name: str) -> str:
    """Return an argument as Python: itself where that is short, else the name it has in the call."""
    if isinstance(given, str | os.PathLike):
        return repr(str(os.fspath(given)))
    if given is None or isinstance(given, int | float):
        # Of numpy's numbers too.
        return repr(float(given) if isinstance(given, float) else given)
    if isinstance(given, tuple | list) and len(given) <= _MOST_PARTS:
        parts = [as_python(one, name) for one in given]
        inside = ", ".join(parts)
        # A part that is too long itself has no name of its own.
        return name if name in parts else f"({inside})" if isinstance(given, tuple) else f"[{inside}]"
    if isinstance(given, Quantity) and given.size <= _MOST_PARTS:
        return repr(str(given)) if given.isscalar else f"({', '.join(repr(str(one)) for one in given)})"
    return repr(dict(given)) if isinstance(given, Mapping) and len(str(given)) < _LONGEST else name
