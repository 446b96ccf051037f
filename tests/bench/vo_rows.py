"""The tables' service and its client: the rows of every module here whose name starts with vo_, each with its own peer."""

import importlib
import pkgutil

from tests import bench
from tests.bench.row import Row

_PREFIX = "vo_"
_SELF = "vo_rows"


def parts() -> list[str]:
    """Return the modules that measure."""
    names = sorted(found.name for found in pkgutil.iter_modules(bench.__path__))
    return [name for name in names if name.startswith(_PREFIX) and name != _SELF]


def rows(rounds: int) -> list[Row]:
    """Measure all of them."""
    return [row for name in parts() for row in importlib.import_module(f"tests.bench.{name}").rows(rounds)]


def peer_rows(rounds: int) -> list[Row]:
    """Measure also against peers that must be installed for it."""
    modules = [importlib.import_module(f"tests.bench.{name}") for name in parts()]
    return [row for module in modules if hasattr(module, "peer_rows") for row in module.peer_rows(rounds)]
