"""Who gains and who loses which access between two platform files, two times, or both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bowerbird_config.access import decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.offers import resources
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, Resource
from bowerbird_config.teams import Membership, Role


class Kind(StrEnum):
    """What becomes of an access."""

    GAINS = "gains"
    LOSES = "loses"
    KEEPS = "keeps"


SIGN_IN = "sign in"
# Nobody's name: no user name has a space at an end.
_SOMEBODY = " somebody "
# Each role with those that may do more, from the widest.
_WHO = {Role.GUEST: "people", Role.MEMBER: "members and owners", Role.OWNER: "owners"}

Access = tuple[str, str]  # what one may do, and to which resource


@dataclass(frozen=True, slots=True)
class Change:
    """One access that some people gain or lose, or keep while others around them lose it."""

    kind: Kind
    who: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """Some people, as whom they ask on either side, and the wider groups that they belong to on both."""

    who: str
    old: Identity
    new: Identity
    wider: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Side:
    """One platform file at one time, with the answers given so far."""

    platform: Platform
    at: datetime
    questions: tuple[tuple[Action, Resource], ...]
    answers: dict[Identity, frozenset[Access]] = field(default_factory=dict)

    def access(self, identity: Identity) -> frozenset[Access]:
        """Return all that the identity may do; those who may not sign in have what nobody signed in has."""
        identity = self.platform.let_in(identity, self.at)
        # No question is about somebody's own home or server, so that the name makes no difference.
        asks = Identity(_SOMEBODY if identity.name else None, identity.memberships, identity.admin)
        if asks not in self.answers:
            self.answers[asks] = frozenset(self._ask(asks))
        return self.answers[asks]

    def _ask(self, identity: Identity) -> Iterator[Access]:
        if identity.name is not None:
            yield SIGN_IN, "platform"
        for action, resource in self.questions:
            if decide(self.platform, identity, action, resource, self.at).allowed:
                yield action.value, str(resource)


def differences(old: Platform, new: Platform, old_at: datetime, new_at: datetime) -> list[Change]:
    """Return every gain and loss, each told of the widest group of people that has it, and who of them keeps what it loses."""
    known = dict.fromkeys([*resources(old), *resources(new)])
    questions = tuple((action, resource) for resource in known for action in resource.actions)
    before, after = _Side(old, old_at, questions), _Side(new, new_at, questions)
    order = {access: number for number, access in enumerate([(SIGN_IN, "platform"), *((a.value, str(r)) for a, r in questions)])}
    said: dict[str, set[tuple[Kind, Access]]] = {}
    changes = []
    for subject in _subjects(before, after):
        had, has = before.access(subject.old), after.access(subject.new)
        told = set().union(*(said[who] for who in subject.wider))
        found = {(Kind.GAINS, access) for access in has - had} | {(Kind.LOSES, access) for access in had - has}
        found |= {(Kind.KEEPS, access) for access in had & has if (Kind.LOSES, access) in told}
        said[subject.who] = found
        rest = sorted(found - told, key=lambda change: (list(Kind).index(change[0]), order[change[1]]))
        changes += [Change(kind, subject.who, *access) for kind, access in rest]
    return changes


def _subjects(before: _Side, after: _Side) -> Iterator[_Subject]:
    """Yield everybody, the wider before the narrower."""
    somebody = Identity(_SOMEBODY)
    yield _Subject("anybody", ANONYMOUS, ANONYMOUS)
    yield _Subject("everyone signed in", somebody, somebody, ("anybody",))
    yield from _team_subjects(before, after)
    for group in _union(_groups(before.platform), _groups(after.platform)):
        yield _named(f"directory group {group!r}", [side.platform.identity(_SOMEBODY, [group]) for side in (before, after)], before, after)
    for user in _union(_users(before.platform), _users(after.platform)):
        yield _named(user, [side.platform.identity(user, side.platform.directory_groups(user)) for side in (before, after)], before, after)


def _team_subjects(before: _Side, after: _Side) -> Iterator[_Subject]:
    for team in _union(before.platform.teams, after.platform.teams):
        wider = ["anybody", "everyone signed in"]
        for role in _WHO:
            identity = Identity(_SOMEBODY, (Membership(team, role),))
            yield _Subject(_role(team, role), identity, identity, tuple(wider))
            wider.append(_role(team, role))


def _named(who: str, identities: list[Identity], before: _Side, after: _Side) -> _Subject:
    """Return a subject that counts as one of a team's where it is so on both sides."""
    old, new = identities
    held = [
        _role(team, role)
        for team in _union(before.platform.teams, after.platform.teams)
        for role in _WHO
        if _holds(old, team, role, before.at) and _holds(new, team, role, after.at)
    ]
    return _Subject(who, old, new, ("anybody", "everyone signed in", *held))


def _holds(identity: Identity, team: str, role: Role, at: datetime) -> bool:
    held = identity.role_in(team, at)
    return held is not None and held.rank >= role.rank


def _role(team: str, role: Role) -> str:
    return f"{_WHO[role]} of {team}"


def _union(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))


def _groups(platform: Platform) -> Iterator[str]:
    for team in platform.teams.values():
        yield from (group.casefold() for group in team.groups)


def _users(platform: Platform) -> Iterator[str]:
    sign_on = platform.sign_on
    for team in platform.teams.values():
        yield from (name for name, _role, _until in team.people())
    yield from (*sign_on.admins, *sign_on.allow_users, *sign_on.block_users)
    if sign_on.demo is not None:
        yield from sign_on.demo.accounts
