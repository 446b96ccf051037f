"""A back end that reads small cones from the files themselves, and leaves everything else to another."""

from collections.abc import Mapping

import pyarrow as pa

from bowerbird_services.store.backend import Backend, Result, Runnable
from bowerbird_services.store.cone_reader import ConeReader
from bowerbird_services.store.parquet_groups import ParquetGroups


class ConesFirst:
    """Two ways to the rows of a table; which one a query takes does not change its answer."""

    def __init__(self, general: Backend, files: ParquetGroups | None = None) -> None:
        """Keep the back end that computes what is no small cone; `files` is what it reads files through, where it does."""
        self._general = general
        self._cones = ConeReader(files or ParquetGroups())

    def run(self, query: Runnable, given: Mapping[str, pa.Table], *, seconds: float | None = None) -> Result:
        """Begin a query; see `Backend.run`."""
        cone = query.cone
        result = self._cones.open(cone, seconds) if cone is not None and cone.table.view not in given else None
        return result or self._general.run(query, given, seconds=seconds)

    def close(self) -> None:
        """End all that runs."""
        self._general.close()
