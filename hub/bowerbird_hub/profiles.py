"""Profiles: which an identity may spawn, and a raw option made into a `Choice` or refused. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bowerbird_config.access import Action, ProfileRef, decide
from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform
from bowerbird_config.profiles import Profile

OPTION = "profile"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """A profile that somebody may spawn now: only `choose` and `on_offer` make one."""

    name: str
    profile: Profile

    @property
    def options(self) -> dict[str, str]:
        """What is kept of it for the next start."""
        return {OPTION: self.name}


class ChoiceRefused(Exception):
    """A profile that this identity may not spawn; the text is the sentence to show."""


class OptionsMalformed(ChoiceRefused):
    """Options that name no profile at all."""


def on_offer(platform: Platform, identity: Identity, at: datetime) -> tuple[Choice, ...]:
    """Return the choices that identity has at that time, in the platform file's order."""
    return tuple(
        Choice(name, profile)
        for name, profile in platform.profiles.items()
        if decide(platform, identity, Action.SPAWN, ProfileRef(name), at).allowed
    )


def choose(raw: object, platform: Platform, identity: Identity, at: datetime) -> Choice:
    """Return the choice that a raw option makes; ChoiceRefused with the sentence to show where it makes none."""
    name = _name(raw)
    if name is None:
        return _only(on_offer(platform, identity, at))
    decision = decide(platform, identity, Action.SPAWN, ProfileRef(name), at)
    if not decision.allowed:
        raise ChoiceRefused(decision.sentence)
    return Choice(name, platform.profiles[name])


def _name(raw: object) -> str | None:
    """Return the name that a raw option holds: a text, or as forms send it a list of one."""
    if not isinstance(raw, Mapping):
        raise OptionsMalformed(f"The options of a server are refused: they are not a table; send {{'{OPTION}': NAME}}.")
    unknown = sorted(_shown(key) for key in raw if key != OPTION)
    if unknown:
        raise OptionsMalformed(f"The options of a server are refused: {', '.join(unknown)} cannot be set; the one option is '{OPTION}'.")
    value: Any = raw.get(OPTION)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise OptionsMalformed(f"The options of a server are refused: {_shown(value)} is no name of a profile.")
    return value


def _only(offered: tuple[Choice, ...]) -> Choice:
    if len(offered) == 1:
        return offered[0]
    names = ", ".join(choice.name for choice in offered) or "none"
    raise OptionsMalformed(f"A server needs a profile, and none was chosen. On offer: {names}.")


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
