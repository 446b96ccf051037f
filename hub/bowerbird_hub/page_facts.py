"""What every page knows of the running platform, asked anew for each page."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bowerbird_config.access import Action, PlatformRef, decide
from bowerbird_hub import room
from bowerbird_hub.identity.live import Live
from bowerbird_hub.managed import VO_PATH
from bowerbird_hub.people import People, people
from bowerbird_hub.runtimes.obituaries import Obituaries, Obituary


class PageFacts:
    """The facts by the names under which templates ask for them; each takes the page's user, or None."""

    def __init__(self, live: Live, obituaries: Obituaries) -> None:
        self._live = live
        self._obituaries = obituaries

    def variables(self) -> dict[str, Callable[[Any], object]]:
        """Return what JupyterHub calls for each page."""
        return {
            "platform": self.platform,
            "broken": self.broken,
            "bad_ends": self.bad_ends,
            "profile_titles": self.profile_titles,
            "people": self.people,
            "full_spaces": self.full_spaces,
        }

    def platform(self, _user: Any) -> dict[str, str]:
        """Return the platform's name, whom to ask, and where its data are shown."""
        return {"name": self._live.platform.name, "contact": self._live.platform.contact, "data": f"/{VO_PATH}/"}

    def broken(self, user: Any) -> list[str]:
        """Return what is wrong with the platform file as it stands; for admins only."""
        told = self._live.error if self._administers(user) else None
        return told.splitlines() if told else []

    def bad_ends(self, user: Any) -> list[Obituary]:
        """Return what became of the user's servers."""
        return self._obituaries.of(user.name) if _is_person(user) else []

    def full_spaces(self, user: Any) -> list[str]:
        """Return what is to be said of the user's home and teams' spaces, where little room is left."""
        if not _is_person(user):
            return []
        record = self._live.identities.record(user.name)
        return room.notices(self._live.var.usage, user.name, dict.fromkeys(m.team for m in record.memberships) if record else ())

    def profile_titles(self, _user: Any) -> dict[str, str]:
        """Return the profiles' titles by their names."""
        return {name: profile.title for name, profile in self._live.platform.profiles.items()}

    def people(self, user: Any) -> Callable[[], People] | None:
        """Return what finds out who has signed in, for the one page that asks; admins only."""
        return (lambda: people(user.db, self._live.identities)) if self._administers(user) else None

    def _administers(self, user: Any) -> bool:
        record = self._live.identities.record(user.name) if _is_person(user) else None
        if record is None:
            return False
        return decide(self._live.platform, record.identity, Action.ADMINISTER, PlatformRef(), datetime.now(UTC)).allowed


def _is_person(user: Any) -> bool:
    return user is not None and getattr(user, "kind", "user") == "user"
