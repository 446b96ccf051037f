"""What `check`, `diff` and `explain` answer, as text for people and as JSON for programs. Pure."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from bowerbird_config.access import Decision
from bowerbird_config.differences import Change
from bowerbird_config.identity import Identity
from bowerbird_config.model import format_moment
from bowerbird_config.offers import Offer, offers
from bowerbird_config.platform import Platform
from bowerbird_config.problems import Problem
from bowerbird_config.terminal import table


def until(moment: datetime | None) -> str:
    """Return a time as tables show it."""
    return format_moment(moment) if moment else "-"


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return what is to be mended, each thing in parts."""
    return [
        {"file": str(problem.place.file), "line": problem.place.line, "what": problem.what, "remedy": problem.remedy}
        for problem in problems
    ]


def right_text(file: Path, platform: Platform) -> str:
    """Return what `check` says of a right file."""
    releases = sum(len(collection.releases) for collection in platform.collections.values())
    counts = ((len(platform.teams), "team"), (len(platform.profiles), "profile"), (releases, "release"))
    return f"{file}: right; " + ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def offers_text(platform: Platform, identity: Identity, at: datetime) -> str:
    """Return what an identity gets, and the sentence of each announced release that it may not read."""
    teams = [(m.team, m.role.value if m.active(at) else f"{m.role.value}, ended", until(m.until)) for m in identity.memberships]
    found = list(offers(platform, platform.let_in(identity, at), at))
    given = [(str(o.resource), ", ".join(o.allowed), until(o.telling.until), o.telling.rule) for o in found if o.allowed]
    refused = [o.telling.sentence for o in found if not o.allowed and o.telling.rule == "release.proprietary"]
    parts = (table(("team", "role", "until"), teams), table(("resource", "may", "until", "rule"), given), "\n".join(refused))
    return "\n\n".join([_greeting(platform, identity, at), *(part for part in parts if part)])


def _greeting(platform: Platform, identity: Identity, at: datetime) -> str:
    if identity.name is None:
        return f"nobody signed in, at {format_moment(at)}"
    if platform.admits(identity, at):
        return f"{identity.name} may sign in, at {format_moment(at)}"
    return f"{identity.name} may not sign in, and sees what nobody signed in sees, at {format_moment(at)}"


def offers_json(platform: Platform, identity: Identity, at: datetime) -> dict[str, Any]:
    """Return what an identity gets, with the decision on each action."""
    return {
        "user": identity.name,
        "at": at.isoformat(),
        "signs_in": platform.admits(identity, at),
        "teams": [{"team": m.team, "role": m.role.value, "until": _iso(m.until)} for m in identity.memberships],
        "offers": [_offer(offer) for offer in offers(platform, platform.let_in(identity, at), at)],
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {"resource": str(offer.resource), "actions": {action.value: decision_json(decision) for action, decision in offer.decisions}}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def decision_json(decision: Decision) -> dict[str, Any]:
    """Return a decision."""
    return {
        "allowed": decision.allowed,
        "rule": decision.rule,
        "sentence": decision.sentence,
        "until": _iso(decision.until),
        "grantor": decision.grantor,
        "hidden": decision.hidden,
    }


def change_rows(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    """Return one row for all that changes for the same people at the same resource."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        rows.setdefault((change.kind.value, change.who, change.resource), []).append(change.action)
    return [(kind, who, ", ".join(actions), resource) for (kind, who, resource), actions in rows.items()]
