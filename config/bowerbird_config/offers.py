"""What there is to ask for, and what one identity gets of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bowerbird_config.access import Decision, decide
from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from bowerbird_config.resources import Action, HomeRef, PlatformRef, ProfileRef, ReleaseRef, Resource, ServerRef, TeamSpaceRef
from bowerbird_config.teams import team_account


@dataclass(frozen=True, slots=True)
class Offer:
    """One resource and the decisions about all that can be asked of it."""

    resource: Resource
    decisions: tuple[tuple[Action, Decision], ...]

    @property
    def allowed(self) -> tuple[Action, ...]:
        """The actions that are allowed."""
        return tuple(action for action, decision in self.decisions if decision.allowed)

    @property
    def shown(self) -> bool:
        """Whether the identity may know of the resource."""
        return any(not decision.hidden for _action, decision in self.decisions)

    @property
    def telling(self) -> Decision:
        """The decision that says most: of the last action that is allowed, else of the last."""
        return next((d for _action, d in reversed(self.decisions) if d.allowed), self.decisions[-1][1])


def resources(platform: Platform, users: Iterable[str] = ()) -> Iterator[Resource]:
    """Yield everything that the platform file defines, and the homes and servers of those users."""
    yield PlatformRef()
    yield from (ProfileRef(profile) for profile in platform.profiles)
    yield from (ReleaseRef(name, release) for name, collection in platform.collections.items() for release in collection.releases)
    for team in platform.teams:
        yield TeamSpaceRef(team)
        yield ServerRef(team_account(team))
    for user in users:
        yield HomeRef(user)
        yield ServerRef(user)


def offers(platform: Platform, identity: Identity, at: datetime) -> Iterator[Offer]:
    """Yield what that identity may know of at that time, with its own home and server."""
    for resource in resources(platform, [identity.name] if identity.name is not None else []):
        decisions = tuple((action, decide(platform, identity, action, resource, at)) for action in resource.actions)
        offer = Offer(resource, decisions)
        if offer.shown:
            yield offer
