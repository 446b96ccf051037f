"""Whether queries can be answered now, in words that everybody may read."""

from bowerbird_services.identity import Away
from bowerbird_services.site import Site
from bowerbird_services.vo.jobs import JobStore


class Health:
    """Looks after the parts of one site; every look is a few calls of the file system, in whichever thread."""

    def __init__(self, site: Site, store: JobStore) -> None:
        self._site = site
        self._store = store

    def trouble(self) -> str | None:
        """Return what is wrong, None where nothing is."""
        found = [self._hub(), self._store.trouble(), self._site.engine.trouble()]
        return "; ".join(filter(None, found)) or None

    def _hub(self) -> str | None:
        try:
            _ = self._site.identities.records.platform
        except Away as error:
            return str(error)
        return None
