"""PlatformSpawner: what every runtime does alike: the form, the choice, refusals in sentences, and the steps of a start."""

import asyncio
import html
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bowerbird_config.identity import IdentityRecord
from bowerbird_hub.fetch_metadata import from_another_site
from bowerbird_hub.forms import profile_form
from bowerbird_hub.identity.live import Live
from bowerbird_hub.profiles import Choice, ChoiceRefused, OptionsMalformed, choose, on_offer
from bowerbird_hub.runtimes.obituaries import Obituaries
from bowerbird_hub.runtimes.preconditions import NotReady
from jupyterhub.spawner import Spawner, SpawnException
from sqlalchemy.orm import object_session
from traitlets import Any as AnyTrait
from traitlets import default

REFUSED, MALFORMED, FAILED, UNAVAILABLE = 403, 400, 500, 503


class StartRefused(SpawnException):
    """A start that ends with a sentence, which page, API and log show as it is."""

    def __init__(self, sentence: str, *, reason: str, status_code: int, log: str = "", shown: str = "") -> None:
        super().__init__(sentence, reason=reason, status_code=status_code, log_message=log, message_html=shown)
        self.jupyterhub_message = sentence
        if shown:
            self.jupyterhub_html_message = shown

    def __str__(self) -> str:
        return str(self.log_message)


def refusal_of_link(headers: Mapping[str, str]) -> StartRefused | None:
    """Return why a link with options starts nothing: one on another site would start a server at once, without the form's token."""
    if not from_another_site(headers):
        return None
    sentence = "Starting a server from a link on another site is refused: choose a profile here."
    return StartRefused(sentence, reason="link", status_code=REFUSED)


class PlatformSpawner(Spawner):
    """Makes the platform's choice of a start; a runtime adds where the server runs."""

    live: Live = AnyTrait(help="the running platform").tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value
    obituaries: Obituaries = AnyTrait(help="where the end of a server is told").tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._steps: list[tuple[int, str]] = []
        self._news = asyncio.Event()
        # What a runtime's `start_polling` has begun.
        self._watching: asyncio.Task[None] | None = None

    @property
    def lacks(self) -> tuple[str, ...]:
        """What servers do without here, each a sentence."""
        return ()

    def check_environment(self, name: str) -> None:
        """Return where servers can run in that environment; NotReady where not."""

    # JupyterHub demands all three of every class; those of a runtime come in their place.

    async def start(self) -> str:
        """Start the server."""
        raise NotImplementedError

    async def stop(self, now: bool = False) -> None:
        """End the server."""
        raise NotImplementedError

    async def poll(self) -> int | None:
        """Return None while the server runs."""
        raise NotImplementedError

    # -- options ---------------------------------------------------------------------------------------------------

    async def get_options_form(self) -> str:
        """Return the choice of profiles that this identity has now."""
        return self.form(last=(self.orm_spawner.user_options or {}).get("profile") if self.orm_spawner else None)

    def form(self, last: str | None) -> str:
        """Return that choice for a server which had the profile `last` before."""
        record = self._record()
        offered = on_offer(self.live.platform, record.identity, datetime.now(UTC))
        refusals = {choice.name: self._unavailable(choice) for choice in offered}
        return profile_form(offered, last, self.lacks, {name: refusal for name, refusal in refusals.items() if refusal is not None})

    def _unavailable(self, choice: Choice) -> NotReady | None:
        try:
            self.check_environment(choice.profile.environment)
        except NotReady as refusal:
            return refusal
        return None

    @default("options_from_form")
    def _read_form(self) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        return lambda form: {name: value for name, value in form.items() if name != "_xsrf"}

    def options_from_query(self, query_data: Mapping[str, Any]) -> dict[str, Any]:
        """Read the options of a link."""
        refusal = refusal_of_link(self.handler.request.headers)
        if refusal is not None:
            raise refusal
        return dict(self.options_from_form(query_data))

    @default("apply_user_options")
    def _leave_options(self) -> Callable[[Spawner, Mapping[str, Any]], None]:
        # `start` makes the choice: there a refusal is an answer, and here JupyterHub logs it as a fault, with a traceback.
        return lambda _spawner, _options: None

    def _record(self) -> IdentityRecord:
        record = self.live.identities.record(self.user.name)
        if record is None:
            sentence = f"Starting a server for {self.user.name} is refused: nobody of that name has signed in yet."
            raise StartRefused(sentence, reason="identity", status_code=REFUSED)
        return record

    def _choose(self, record: IdentityRecord, at: datetime) -> Choice:
        try:
            choice = choose(self.user_options, self.live.platform, record.identity, at)
        except ChoiceRefused as refusal:
            # What was refused is no default for the next start.
            self._keep_options({})
            status = MALFORMED if isinstance(refusal, OptionsMalformed) else REFUSED
            raise StartRefused(str(refusal), reason="profile", status_code=status) from refusal
        self._keep_options(choice.options)
        return choice

    def _keep_options(self, options: dict[str, str]) -> None:
        self.user_options = options
        self.orm_spawner.user_options = options
        self._commit()

    def _commit(self) -> None:
        # At once: at the end of any request JupyterHub rolls back what is not committed.
        session = object_session(self.orm_spawner)
        if session is not None:
            session.commit()

    # -- a start ---------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[IdentityRecord, Choice, datetime]:
        """Return who starts what, and when; StartRefused where they may not."""
        self._steps.clear()
        self._tell(5, "Checking your profile and your home")
        at = datetime.now(UTC)
        record = self._record()
        return record, self._choose(record, at), at

    def _others_running(self) -> int:
        return sum(1 for other in self.user.spawners.values() if other is not self and other.active)

    def _failure(self, sentence: str, tail: str) -> StartRefused:
        shown = f"{html.escape(sentence)}<details><summary>The end of its log</summary><pre>{html.escape(tail)}</pre></details>"
        return StartRefused(sentence, reason="start", status_code=FAILED, shown=shown, log=f"{sentence} The end of its log:\n{tail}")

    def _tell(self, percent: int, words: str) -> None:
        self._steps.append((percent, words))
        self._news.set()
        self._news = asyncio.Event()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each step of the start, in words, as it begins."""
        told = 0
        while True:
            news = self._news
            for percent, words in self._steps[told:]:
                told += 1
                yield {"progress": percent, "message": words}
            await news.wait()

    # -- life ------------------------------------------------------------------------------------------------------

    def stop_polling(self) -> None:
        """Stop watching."""
        super().stop_polling()
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
        self._watching = None
