"""Whether queries can be answered now, in words that everybody may read."""

from dataclasses import dataclass

from bowerbird_services.identity import Away
from bowerbird_services.site import Site
from bowerbird_services.vo.jobs import JobStore


@dataclass(frozen=True, slots=True)
class State:
    """What VOSI tells: where `trouble` is said, nothing can be answered; `note` is about some tables, and the others go on."""

    trouble: str | None = None
    note: str | None = None


class Health:
    """Looks after the parts of one site; every look is a few calls of the file system, in whichever thread."""

    def __init__(self, site: Site, store: JobStore | None = None) -> None:
        self._site = site
        self._store = store

    def state(self) -> State:
        """Return what is wrong."""
        trouble = (self._hub(), self._store.trouble() if self._store else None)
        return State(_together(*trouble), _together(self._site.engine.damage(), self._site.worker_trouble()))

    def of_products(self) -> State:
        """Return what is wrong for those who ask for products and run no job."""
        return State(self._hub())

    def _hub(self) -> str | None:
        try:
            _ = self._site.identities.records.platform
        except Away as error:
            return str(error)
        return None


def _together(*told: str | None) -> str | None:
    return "; ".join(filter(None, told)) or None
