"""Who of those that the sign-on server knows may come in, and the sentence for those that may not; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not signed on: what was refused, the rule, until when, and who can change it."""

    what: str
    rule: str
    until: str
    grantor: str

    @property
    def sentence(self) -> str:
        """The same words for page, API and log."""
        return f"{self.what}: {self.rule}, {self.until}. Who can change that: {self.grantor}."


class SignOnRefused(Exception):
    """A sign-on that ends here; `refusal` is what to show, `status` the HTTP status to show it with."""

    def __init__(self, refusal: Refusal, status: int) -> None:
        self.refusal = refusal
        self.status = status
        super().__init__(refusal.sentence)


def _admins(platform: Platform) -> str:
    return f"the admins of the platform ({platform.contact})"


def refuse(platform: Platform, rule: str, *, until: str = "with no date set for a change") -> SignOnRefused:
    """Return the exception for a sign-on that breaks that rule."""
    return SignOnRefused(Refusal("Signing in is refused", rule, until, _admins(platform)), 403)


def fail(platform: Platform, rule: str, *, status: int) -> SignOnRefused:
    """Return the exception for a sign-on that did not work out, and may the next time."""
    return SignOnRefused(Refusal("Signing in did not work", rule, "until it is tried again", _admins(platform)), status)


def fault(platform: Platform, name: str, memberships: Iterable[Membership], at: datetime) -> str | None:
    """Return the rule that keeps somebody out at that time; None where they may come in."""
    sign_on = platform.sign_on
    if sign_on.admits(name, {part.team for part in memberships if part.active(at)}):
        return None
    if name in sign_on.block_users:
        return f"the platform file blocks the user '{name}'"
    teams = ", ".join(sign_on.allow_teams) or "none"
    return f"'{name}' is none of the users that the platform file lets in, nor in one of its teams ({teams})"
