"""The access decision: the one rule that every door asks. Pure; time is an argument; no unless a rule says yes.

A release is public, or open to the people of its teams, or (announced) known to everybody by title, date and contact.
A home is its user's, a team's space and server are its people's by role, a profile is everyone's or some teams'.
The platform's own HTTP services read every release, as they ask here for each of their clients, and do nothing else.
Admins manage servers and the platform, and that opens no data to them. What one may not know of answers exactly as
what does not exist: `decide` makes that answer from the question alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bowerbird_config.collections import Release
from bowerbird_config.identity import SERVICES, Identity
from bowerbird_config.model import format_moment
from bowerbird_config.platform import Platform
from bowerbird_config.resources import (
    Action,
    HomeRef,
    PlatformRef,
    ProfileRef,
    ReleaseRef,
    Resource,
    ServerRef,
    TeamSpaceRef,
)
from bowerbird_config.teams import Membership, Role
from bowerbird_config.user_names import TEAM_ACCOUNT

__all__ = [
    "Action",
    "Decision",
    "HomeRef",
    "PlatformRef",
    "ProfileRef",
    "ReleaseRef",
    "Resource",
    "ServerRef",
    "TeamSpaceRef",
    "decide",
    "explain",
    "next_change",
]

_DOING = {
    Action.LIST: "Listing",
    Action.READ: "Reading",
    Action.WRITE: "Writing to",
    Action.SPAWN: "Starting",
    Action.OPEN: "Opening",
    Action.MANAGE: "Managing",
    Action.ADMINISTER: "Administering",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, with all that a page, a log, an API and a notebook say about it.

    `rule` names the rule that decided; `sentence` is what is shown; `until` is the first moment at which the clock
    alone changes `allowed`; `grantor` is who can change a refusal; `hidden` means that the resource must answer as
    one that does not exist does.
    """

    allowed: bool
    rule: str
    sentence: str
    until: datetime | None = None
    grantor: str = ""
    hidden: bool = False


def decide(platform: Platform, identity: Identity, action: Action, resource: Resource, at: datetime) -> Decision:
    """Decide whether that identity may do that to that resource at that time; no unless a rule says yes."""
    question = _Question(platform, identity, action, resource, at)
    truth = _answer(question)
    return question.unknown() if truth.hidden else truth


def explain(platform: Platform, identity: Identity, action: Action, resource: Resource, at: datetime) -> Decision:
    """Decide the same and tell the true rule also of what is hidden from that identity: for admins only."""
    return _answer(_Question(platform, identity, action, resource, at))


def next_change(platform: Platform, identity: Identity, at: datetime) -> datetime | None:
    """Return the next moment at which the clock alone changes any decision for that identity; None for never."""
    openings = [r.public_on for c in platform.collections.values() for r in c.releases.values() if r.public_on and r.public_on > at]
    ends = sorted({m.until for m in identity.memberships if m.until is not None and m.until > at})
    roles = _roles(platform, identity, at)
    # A membership's end is no change where a second membership gives the same role for longer.
    ending = next((end for end in ends if _roles(platform, identity, end) != roles), None)
    return min([*openings, *([ending] if ending else [])], default=None)


def _roles(platform: Platform, identity: Identity, at: datetime) -> dict[str, Role | None]:
    return {team: identity.role_in(team, at) for team in {m.team for m in identity.memberships} if team in platform.teams}


@dataclass(frozen=True, slots=True)
class _Question:
    """One question, and the ways to answer it."""

    platform: Platform
    identity: Identity
    action: Action
    resource: Resource
    at: datetime

    @property
    def asked(self) -> str:
        return f"{_DOING[self.action]} {self.resource.words}"

    @property
    def admins(self) -> str:
        return f"the admins of the platform ({self.platform.contact})"

    def yes(self, rule: str, because: str, until: datetime | None = None) -> Decision:
        lasting = f", until {format_moment(until)}" if until else ""
        return Decision(allowed=True, rule=rule, sentence=f"{self.asked} is allowed: {because}{lasting}.", until=until)

    def no(self, rule: str, because: str, grantor: str, until: datetime | None = None, hidden: bool = False) -> Decision:
        lasting = f"until {format_moment(until)}" if until else "with no date set for a change"
        sentence = f"{self.asked} is refused: {because}, {lasting}. Who can change that: {grantor}."
        return Decision(allowed=False, rule=rule, sentence=sentence, until=until, grantor=grantor, hidden=hidden)

    def unknown(self) -> Decision:
        """The answer about what does not exist, and about all that is hidden: made from the question alone."""
        return self.no("unknown", "nothing of that name is open to you", self.admins, hidden=True)

    def release(self, ref: ReleaseRef) -> Release | None:
        """The release of that name, where there is one."""
        collection = self.platform.collections.get(ref.collection)
        return collection.releases.get(ref.release) if collection else None

    def team(self, name: str) -> str:
        return f"the owners of team {name} ({self.platform.teams[name].contact})"

    def held(self, teams: Iterable[str], least: Role) -> list[Membership]:
        """The memberships that hold now and give at least that role, the strongest and longest first."""
        found = [m for m in self.identity.memberships if m.team in teams and m.role.rank >= least.rank and m.active(self.at)]
        return sorted(found, key=lambda m: (-m.role.rank, m.until is not None, -(m.until.timestamp() if m.until else 0)))

    def lapsed(self, teams: Iterable[str]) -> str:
        """What to add about a membership of those teams that was their last and has ended; nothing where there was none."""
        left = [team for team in teams if self.identity.role_in(team, self.at) is None]
        ended = [(m.until, m.team) for m in self.identity.memberships if m.team in left and m.until is not None]
        if not ended:
            return ""
        when, team = max(ended)
        return f" (your membership of {team} ended on {format_moment(when)})"


def _last_end(held: list[Membership]) -> datetime | None:
    """Return the moment at which the last of these ends; None where one has no end."""
    ends = [m.until for m in held if m.until is not None]
    return max(ends) if len(ends) == len(held) else None


def _answer(question: _Question) -> Decision:
    resource, action = question.resource, question.action
    if action not in resource.actions:
        # Said of the kind of resource, never of this one, so that it tells nothing about it.
        fit = " and ".join(resource.actions)
        return question.no("action.unfit", f"nobody can {action} it, only {fit} it", "nobody")
    return _services(question) if question.identity.name == SERVICES.name else _of_person(question)


def _of_person(question: _Question) -> Decision:
    match question.resource:
        case ReleaseRef() as ref:
            return _release(question, ref)
        case HomeRef() as ref:
            return _home(question, ref)
        case TeamSpaceRef() as ref:
            return _team_space(question, ref)
        case ProfileRef() as ref:
            return _profile(question, ref)
        case ServerRef() as ref:
            return _server(question, ref)
        case PlatformRef():
            return _platform(question)


def _services(question: _Question) -> Decision:
    ref = question.resource
    if not isinstance(ref, ReleaseRef):
        return question.no("services.releases", "the platform's services read releases and nothing else", "nobody", hidden=True)
    if question.release(ref) is None:
        return question.unknown()
    return question.yes("release.services", "the platform's services read every release, to show it to those who may read it")


def _release(question: _Question, ref: ReleaseRef) -> Decision:
    collection, release = question.platform.collections.get(ref.collection), question.release(ref)
    if collection is None or release is None:
        return question.unknown()
    if release.public_at(question.at):
        since = f" since {format_moment(release.public_on)}" if release.public_on else ""
        return question.yes("release.public", f"the release is public{since}")
    held = question.held(release.teams, Role.GUEST)
    if held:
        end = _last_end(held)
        opens_first = end is not None and release.public_on is not None and release.public_on <= end
        because = f"the release is proprietary and you are {held[0].role.words} of its team {held[0].team}"
        return question.yes("release.team", because, None if opens_first else end)
    return _proprietary(question, ref, release, collection.contact)


def _proprietary(question: _Question, ref: ReleaseRef, release: Release, collection_contact: str) -> Decision:
    whose = "team" if len(release.teams) == 1 else "teams"
    because = f"the release is proprietary to {whose} {', '.join(release.teams)}{question.lapsed(release.teams)}"
    if release.contact:
        grantor = f"the contact of release {ref.collection}/{ref.release} ({release.contact})"
    elif collection_contact:
        grantor = f"the contact of collection {ref.collection} ({collection_contact})"
    else:
        grantor = question.team(release.teams[0])
    return question.no("release.proprietary", because, grantor, release.public_on, hidden=not release.announced)


def _home(question: _Question, ref: HomeRef) -> Decision:
    if question.identity.name is not None and ref.user == question.identity.name:
        return question.yes("home.own", "it is your own")
    return question.no("home.other", "a home is open to its user alone", "nobody", hidden=True)


def _team_space(question: _Question, ref: TeamSpaceRef) -> Decision:
    if ref.team not in question.platform.teams:
        return question.unknown()
    reading = question.held([ref.team], Role.GUEST)
    if not reading:
        because = f"it is open to the people of team {ref.team}{question.lapsed([ref.team])}"
        return question.no("space.stranger", because, question.team(ref.team), hidden=True)
    if question.action is Action.READ:
        return question.yes("space.team", f"you are {reading[0].role.words} of team {ref.team}", _last_end(reading))
    writing = question.held([ref.team], Role.MEMBER)
    if writing:
        return question.yes("space.team", f"you are {writing[0].role.words} of team {ref.team}", _last_end(writing))
    return question.no("space.guest", f"you are a guest of team {ref.team}, and guests read and do not write", question.team(ref.team))


def _profile(question: _Question, ref: ProfileRef) -> Decision:
    profile = question.platform.profiles.get(ref.profile)
    if profile is None:
        return question.unknown()
    if question.identity.name is None:
        return question.no("profile.anonymous", "a server belongs to somebody who is signed in", "you, by signing in", hidden=True)
    if profile.teams == "everyone":
        return question.yes("profile.everyone", "the profile is for everyone")
    held = question.held(profile.teams, Role.GUEST)
    if held:
        return question.yes(
            "profile.team", f"the profile is for team {held[0].team}, of which you are {held[0].role.words}", _last_end(held)
        )
    whose = "team" if len(profile.teams) == 1 else "teams"
    because = f"the profile is for {whose} {', '.join(profile.teams)}{question.lapsed(profile.teams)}"
    return question.no("profile.stranger", because, question.team(profile.teams[0]), hidden=True)


def _server(question: _Question, ref: ServerRef) -> Decision:
    if question.action is Action.MANAGE and question.identity.admin:
        return question.yes("server.admin", "admins start and stop every server")
    if ref.owner.startswith(TEAM_ACCOUNT):
        return _team_server(question, ref.owner.removeprefix(TEAM_ACCOUNT))
    if question.identity.name is not None and ref.owner == question.identity.name:
        return question.yes("server.own", "it is your own")
    return question.no("server.other", "a server is open to its owner alone", "nobody", hidden=True)


def _team_server(question: _Question, team: str) -> Decision:
    if team not in question.platform.teams:
        return question.unknown()
    least = Role.OWNER if question.action is Action.MANAGE else Role.MEMBER
    held = question.held([team], least)
    if held:
        return question.yes("server.team", f"you are {held[0].role.words} of team {team}", _last_end(held))
    known = question.held([team], Role.GUEST)
    who = "its owners" if least is Role.OWNER else "its owners and members"
    because = f"the server of team {team} is for {who}{question.lapsed([team])}"
    return question.no("server.role", because, question.team(team), hidden=not known)


def _platform(question: _Question) -> Decision:
    if question.identity.admin:
        return question.yes("platform.admin", "you are an admin")
    return question.no("platform.stranger", "you are not among its admins", question.admins)
