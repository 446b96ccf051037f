"""A sign-on without a directory, for tests of what comes after it: any name with the one password."""

from datetime import UTC, datetime
from typing import Any

from bowerbird_hub import addresses
from bowerbird_hub.identity.live import Live
from bowerbird_hub.sign_on import team_roles
from jupyterhub import orm
from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from traitlets import Any as AnyTrait

PASSWORD = "one password for all tests"


class NamedSignOn(Authenticator):
    """Believes who knows the password, and gives the teams that the platform file names."""

    live: Live = AnyTrait().tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value
    manage_groups = True
    manage_roles = True
    allow_all = True

    def get_handlers(self, app: Any) -> list[tuple[str, type[BaseHandler]]]:
        return [*addresses.HANDLERS, *super().get_handlers(app)]

    async def load_managed_roles(self) -> list[dict[str, Any]]:
        await self.live.start()
        return []

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        if data["password"] != PASSWORD:
            return None
        record = await self.live.identities.sign_in(data["username"], ())
        now = datetime.now(UTC)
        return {
            "name": record.name,
            "admin": False,
            "groups": team_roles.groups(record.memberships, now),
            "roles": [*self._standing(handler.db), *team_roles.roles(record.identity, now)],
            # As other sign-ons keep some: while it is read, other requests come in between.
            "auth_state": {"name": record.name},
        }

    @staticmethod
    def _standing(db: Any) -> list[dict[str, Any]]:
        return [{"name": role.name, "scopes": list(role.scopes)} for role in db.query(orm.Role).filter_by(name="user")]
