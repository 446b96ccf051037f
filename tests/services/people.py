"""Identities without a hub: a token is `token-of-NAME`, until it is taken back."""

from datetime import UTC, datetime

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_services.identity import Identities, Records

from tests.support.platforms import described


class Tokens:
    """Tells whose a token is, as the hub would."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    async def name_of(self, token: str) -> str | None:
        return token.removeprefix("token-of-") if token.startswith("token-of-") and token not in self.revoked else None


def platform() -> Platform:
    """Return a platform with the releases of the stand-in's tables: `dr1` is public, `dr2` a team's."""
    releases = {"dr1": {"title": "First", "public": True}, "dr2": {"title": "Second", "teams": ["craft"]}}
    teams = {"craft": {"title": "Craft", "contact": "craft@example.org", "members": ["member"]}}
    return Platform.model_validate(described(collections={"demo": {"title": "Demo", "releases": releases}}, teams=teams))


def identities(tokens: Tokens | None = None, known: Platform | None = None) -> Identities:
    """Return who is who: `member` of team Craft, and a `stranger` to it."""
    known = known or platform()
    records = Records(known)
    for number, name in enumerate(("member", "stranger")):
        record = IdentityRecord(number + 1, name, 600_000 + number, 600_000 + number, known.identity(name).memberships)
        records.take({"kind": "identity", "record": record.to_json()})
    return Identities(records, tokens or Tokens(), lambda: datetime.now(UTC))
