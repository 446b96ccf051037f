"""The back end of a process that is asked for images alone."""

from collections.abc import Mapping
from typing import NoReturn

import pyarrow as pa

from bowerbird_services.store.backend import QueryFailed, Runnable


class NoBackend:
    """Computes nothing, and needs neither memory nor disk for it."""

    def run(self, _query: Runnable, _given: Mapping[str, pa.Table], *, seconds: float | None = None) -> NoReturn:
        """Refuse a query; see `Backend.run`."""
        raise QueryFailed("tables are not asked for here")

    def close(self) -> None:
        """Do nothing, as nothing runs."""
