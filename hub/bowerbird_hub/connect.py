"""The page Connect: a token for the tables alone, with an end, and the lines of clients that take it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from bowerbird_config.clients import Clients
from bowerbird_hub.managed import VO_PATH, VO_SCOPE
from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from tornado import web

_QUERY = "SELECT schema_name, description FROM TAP_SCHEMA.schemas"
_DEFAULT_DAYS = 7
_LONGEST_NOTE = 200
_DAY = timedelta(days=1)


class Connect(BaseHandler):
    """Shows the page, and makes a token where its form asks for one."""

    @property
    def _tables_url(self) -> str:
        # The hub's own origin is in configuration; an address out of the request could be anybody's.
        return f"{self.settings['subdomain_host']}/{VO_PATH}"

    @web.authenticated
    async def get(self) -> None:
        """Show tokens and lines."""
        await self._show()

    @web.authenticated
    async def post(self) -> None:
        """Make a token, and show it this once; the form carries JupyterHub's XSRF token."""
        user = self.current_user
        if not self.get_scope_filter("tokens")(user, kind="user"):
            raise web.HTTPError(403, "Making a token is refused: this sign-in may make none. Who can change that: you, by signing in anew.")
        now = datetime.now(UTC)
        note = self.get_body_argument("note", "").strip()[:_LONGEST_NOTE]
        try:
            seconds = _seconds_until(self.get_body_argument("until", ""), self._latest(now), now)
        except ValueError as error:
            self.set_status(400)
            await self._show(wrong=str(error), note=note)
            return
        made = user.new_api_token(note=note or "tables", expires_in=seconds, scopes=[VO_SCOPE])
        self.log.info("User %s requested a new API token for the tables", user.name)
        await self._show(token=made)

    def _latest(self, now: datetime) -> date:
        """Return the last day that a token may hold through, by the hub's one limit on tokens."""
        return (now + timedelta(seconds=self.settings["token_expires_in_max_seconds"]) - _DAY).date()

    async def _show(self, token: str = "", wrong: str = "", note: str = "") -> None:
        now, user = datetime.now(UTC), self.current_user
        clients, secret = Clients(f"{self._tables_url}/tap"), token or "TOKEN"
        self.set_header("Cache-Control", "no-store")
        html = await self.render_template(
            "connect.html",
            token=token,
            wrong=wrong,
            note=note,
            today=now.date(),
            usual=min((now + _DEFAULT_DAYS * _DAY).date(), self._latest(now)),
            latest=self._latest(now),
            tokens=self._tokens(user),
            tap_url=clients.tap_url,
            scs_url=f"{self._tables_url}/scs",
            sia_url=f"{self._tables_url}/sia2/query",
            keep=clients.keep(user.name, secret),
            lines=[clients.pyvo(_QUERY, True), clients.curl(_QUERY, True), clients.stilts(_QUERY, True)],
        )
        self.finish(html)

    def _tokens(self, user: Any) -> list[orm.APIToken]:
        """Return the tokens that are for the tables alone and hold."""
        now = datetime.now(UTC).replace(tzinfo=None)
        ours = [token for token in user.api_tokens if token.client_id == "jupyterhub" and set(token.scopes) == {VO_SCOPE}]
        held = [token for token in ours if not token.expires_at or token.expires_at > now]
        return sorted(held, key=lambda token: token.created, reverse=True)


def _seconds_until(day: str, latest: date, now: datetime) -> int:
    """Return how long a token holds that ends with that day, UTC; ValueError where it may not."""
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise ValueError("The last day is no date; choose one.") from None
    if not now.date() <= last <= latest:
        raise ValueError(f"The last day must be between {now.date()} and {latest}: a token holds no longer here.")
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + _DAY
    return max(1, int((end - now).total_seconds()))


HANDLERS: list[tuple[str, type[BaseHandler]]] = [("/connect", Connect)]
