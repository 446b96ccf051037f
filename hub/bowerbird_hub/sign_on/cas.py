"""Sign-on by CAS 3.0 for JupyterHub: who came, whether they may, which teams they are in, and how long it lasts."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bowerbird_config import user_names
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.sign_on import CasSignOn
from bowerbird_config.teams import memberships
from bowerbird_hub import addresses, background
from bowerbird_hub.identity.live import Live
from bowerbird_hub.identity.store import IdRefused
from bowerbird_hub.sign_on import admission, redaction, team_roles
from bowerbird_hub.sign_on.cas_client import CASServer, CASUnreachable
from bowerbird_hub.sign_on.cas_handlers import CALLBACK, CASCallback, CASLogin, CASLogout
from bowerbird_hub.sign_on.cas_protocol import CASError, CasUser, MalformedReply
from bowerbird_hub.sign_on.sign_ons import SignOn
from jupyterhub import orm
from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.user import User
from jupyterhub.utils import new_token, url_path_join
from sqlalchemy.exc import SQLAlchemyError
from traitlets import Any as AnyTrait
from traitlets import Float, Unicode, default

BAD_GATEWAY = 502
UNAVAILABLE = 503
LONGEST_KEPT_VALUE = 1024
LONGEST_SESSION = 64
# JupyterHub's role of all who have signed in.
_EVERYBODY = "user"

# What the demo server of `demo_cas/` sends: the names that CAS servers in front of a directory use.
_DEMO = CasSignOn(url="http://127.0.0.1/cas")


class CASAuthenticator(Authenticator):
    """Signs people on by the platform file's CAS server, and asks the live platform again at each request."""

    live: Live = AnyTrait(help="the running platform").tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value
    public_url = Unicode(help="where browsers reach this hub, as https://hub.example.org/; never taken from a request").tag(config=True)
    demo_url = Unicode(help="the demo CAS server's base URL, where the platform file asks for one").tag(config=True)
    demo_inner_url = Unicode("", help="where the hub asks the demo CAS server, if not where browsers find it").tag(config=True)
    ca_certs = Unicode(None, allow_none=True, help="certificate authorities of the CAS server, instead of the system's").tag(config=True)

    auto_login = True
    manage_groups = True
    manage_roles = True
    enable_auth_state = True
    any_allow_config = True
    login_service = "CAS"
    # In effect zero, which JupyterHub would read as never. Its clock is one for all browsers of a person, so any real age
    # would let a session that has ended in on the strength of another one; and asking costs no request and no query.
    auth_refresh_age = Float(1e-6).tag(config=True)
    # A session that has ended has ended for what its servers ask on its behalf as well.
    auth_refresh_strict = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        redaction.install()
        self._listening: Callable[[Platform], None] | None = None

    @default("public_url")
    def _public_url_of_the_hub(self) -> str:
        return str(getattr(self.parent, "public_url", "") or getattr(self.parent, "bind_url", ""))

    @property
    def origin(self) -> str:
        """Scheme, host and port of the hub, from configuration alone."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def sign_on(self) -> CasSignOn:
        """The CAS server's part of the platform file that is in force."""
        return self.live.platform.sign_on.cas or _DEMO

    @property
    def server(self) -> CASServer:
        """The CAS server that is in force."""
        cas = self.live.platform.sign_on.cas
        if cas is None:
            return CASServer(self.demo_url, self.sign_on.timeout, self.ca_certs, self.demo_inner_url or None)
        return CASServer(cas.url, self.sign_on.timeout, self.ca_certs)

    def service_url(self, hub_prefix: str, query: str = "") -> str:
        """Return the service URL that tickets are given for."""
        path = str(url_path_join(hub_prefix, CALLBACK))
        return f"{self.origin}{path}?{query}" if query else self.origin + path

    def login_url(self, base_url: str) -> str:
        """Return where the hub sends whoever has to sign in."""
        return str(url_path_join(base_url, "cas/login"))

    def logout_url(self, base_url: str) -> str:
        """Return where the hub sends whoever signs out."""
        return str(url_path_join(base_url, "logout"))

    def get_handlers(self, app: Any) -> list[tuple[str, type[BaseHandler]]]:
        """Return the pages of this sign-on and of the platform, and what answers for its other hosts."""
        return [*addresses.HANDLERS, ("/cas/login", CASLogin), (f"/{CALLBACK}", CASCallback), ("/logout", CASLogout)]

    async def load_managed_roles(self) -> list[dict[str, Any]]:
        """Start the live platform: the hub's database is there, and nobody has been let in yet."""
        await self.live.start()
        if self._listening is None:
            self._listening = self._platform_changed
            self.live.on_change(self._listening)
        return []

    def _platform_changed(self, platform: Platform) -> None:
        background.begin(self._send_out(platform), "those whom the edited platform file keeps out")

    async def _send_out(self, platform: Platform) -> None:
        """End what is left of those whom an edit keeps out, before they ask for anything again."""
        now = datetime.now(UTC)
        out = [r.name for r in self.live.identities.records() if admission.fault(platform, r.name, r.memberships, now) is not None]
        users = self.parent.users
        for name in out:
            if name in users:
                await self.end_sessions(users[name], tokens_too=True)

    # -- sign-on -------------------------------------------------------------------------------------------------

    async def authenticate(self, handler: BaseHandler, data: dict[str, str]) -> dict[str, Any]:
        """Return JupyterHub's model of whom the ticket stands for; SignOnRefused in every other case."""
        platform = self.live.platform
        user = await self._validate(platform, data["ticket"], data["service"])
        wrong = user_names.fault(user.name)
        if wrong is not None:
            raise admission.refuse(platform, wrong, until="until the directory gives another name")
        name = self.normalize_username(user.name)
        groups = user.attributes.get(self.sign_on.groups_attribute, ())
        self._admit(platform, name, groups)
        record = await self._identify(platform, name, groups, user)
        await self._begin(platform, handler, name, data["ticket"])
        return {**self._model(handler.db, handler.find_user(name), record), "auth_state": _kept(user)}

    async def _validate(self, platform: Platform, ticket: str, service: str) -> CasUser:
        try:
            return await self.server.validate(ticket, service)
        except CASUnreachable as error:
            raise admission.fail(platform, str(error), status=UNAVAILABLE) from error
        except MalformedReply as error:
            raise admission.fail(platform, str(error), status=BAD_GATEWAY) from error
        except CASError as error:
            raise admission.fail(platform, str(error), status=403) from error

    def _admit(self, platform: Platform, name: str, groups: tuple[str, ...]) -> None:
        wrong = admission.fault(platform, name, memberships(platform.teams, name, groups), datetime.now(UTC))
        if wrong is not None:
            raise admission.refuse(platform, wrong)

    async def _identify(self, platform: Platform, name: str, groups: tuple[str, ...], user: CasUser) -> IdentityRecord:
        try:
            uid, gid = (_number(user, attribute) for attribute in (self.sign_on.uid_attribute, self.sign_on.gid_attribute))
            return await self.live.identities.sign_in(name, groups, uid, gid)
        except (IdRefused, MalformedReply) as error:
            raise admission.refuse(platform, str(error)) from error
        except SQLAlchemyError as error:
            raise admission.fail(platform, "the hub could not write to its database", status=UNAVAILABLE) from error

    async def _begin(self, platform: Platform, handler: BaseHandler, name: str, ticket: str) -> None:
        session = handler.get_session_cookie()
        if not session or len(session) > LONGEST_SESSION:
            # The cookie is not signed: what a browser sends as its session may be anything.
            session = handler.set_session_cookie()
        try:
            await self.live.sign_ons.begin(ticket, SignOn(name, session, time.time()), platform.sign_on.session)
        except SQLAlchemyError as error:
            raise admission.fail(platform, "the hub could not write to its database", status=UNAVAILABLE) from error

    def check_allowed(self, username: str, authentication: dict[str, Any] | None = None) -> bool:
        """Say yes: `authenticate` asked the platform file already, and raised where it says no."""
        return authentication is not None

    # -- while somebody is signed on -----------------------------------------------------------------------------

    async def refresh_user(self, user: User, handler: BaseHandler | None = None) -> bool | dict[str, Any]:
        """Return what changed for somebody since they signed on; False where they have to sign on again."""
        token = handler.get_token() if handler is not None and handler._accept_token_auth else None
        record = self.live.identities.record(user.name)
        if record is None:
            # An account that the platform made has tokens and never signs on; a person without a record has to.
            return token is not None
        if admission.fault(self.live.platform, user.name, record.memberships, datetime.now(UTC)) is not None:
            await self.end_sessions(user, tokens_too=True)
            return False
        if handler is not None and not self._fresh(user, handler, token):
            return False
        model = self._model(user.db, user, record)
        return model if self._changes(user, model) else True

    def _fresh(self, user: User, handler: BaseHandler, token: orm.APIToken | None) -> bool:
        """Tell whether the sign-on behind a request is young enough; a server's or a person's own token does not age here."""
        session = token.session_id if token is not None else handler.get_session_cookie()
        if token is not None and not session:
            return True
        since = self.live.sign_ons.since(user.name, session or "")
        lifetime = self.live.platform.sign_on.session.total_seconds()
        if since is not None and 0 <= time.time() - since < lifetime:
            return True
        if token is not None:
            user.db.delete(token)
            user.db.commit()
        return False

    def _model(self, db: Any, user: User | None, record: IdentityRecord) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "name": record.name,
            "admin": False,
            "groups": team_roles.groups(record.memberships, now),
            "roles": [*self._standing(db, user), *team_roles.roles(record.identity, now)],
        }

    @staticmethod
    def _standing(db: Any, user: User | None) -> list[dict[str, Any]]:
        """Return the hub's own role of everybody as it is: what is not named is taken away."""
        held = [role for role in (user.orm_user.roles if user else ()) if role.name == _EVERYBODY]
        return [{"name": role.name, "scopes": list(role.scopes)} for role in held or db.query(orm.Role).filter_by(name=_EVERYBODY)]

    @staticmethod
    def _changes(user: User, model: dict[str, Any]) -> bool:
        held_roles = {role.name: sorted(role.scopes) for role in user.orm_user.roles}
        return (
            bool(user.admin) != model["admin"]
            or sorted(group.name for group in user.orm_user.groups) != model["groups"]
            or held_roles != {role["name"]: sorted(role["scopes"]) for role in model["roles"]}
        )

    # -- the end -------------------------------------------------------------------------------------------------

    async def end_sessions(self, user: User, *, tokens_too: bool = False) -> None:
        """End every sign-on of a person, at the hub and, as soon as they ask it again, at their servers.

        `tokens_too` ends what they and their servers use without a browser as well.
        """
        await self.live.sign_ons.end_user(user.name)
        # A new cookie id makes every login cookie of theirs, in every browser, a wrong one.
        user.orm_user.cookie_id = new_token()
        for code in user.db.query(orm.OAuthCode).filter_by(user_id=user.orm_user.id):
            user.db.delete(code)
        for token in list(user.orm_user.api_tokens):
            if tokens_too or token.session_id:
                user.db.delete(token)
        user.db.commit()
        user._auth_refreshed = None
        self.log.info("Every session of %s was ended", user.name)

    async def delete_user(self, user: User) -> None:
        """Forget somebody whom an administrator deletes; their numbers stay theirs."""
        super().delete_user(user)
        await asyncio.gather(self.live.identities.forget(user.name), self.live.sign_ons.end_user(user.name))


def _number(user: CasUser, attribute: str | None) -> int | None:
    text = user.first(attribute)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**32)):
        raise IdRefused(f"the directory's attribute {attribute!r} of '{user.name}' is not a number")
    return int(text)


def _kept(user: CasUser) -> dict[str, Any]:
    """Return what is kept, encrypted, of a reply: attributes of a length that a directory may have."""
    return {"attributes": {name: [v for v in values if len(v) <= LONGEST_KEPT_VALUE] for name, values in user.attributes.items()}}
