"""Spaces: writable storage, one home a user and one space a team, each with a quota."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from bowerbird_config.model import Duration, Frozen, FrozenDict, Model, Size, Slug, also, format_size, parse_duration


class Quota(Model):
    """The limits of a space: a warning at `soft`, a refusal at `hard`; none where absent."""

    soft: Size | None = None
    hard: Size | None = None

    @model_validator(mode="after")
    def _soft_before_hard(self) -> Self:
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            raise ValueError(f"the warning at {format_size(self.soft)} comes after the refusal at {format_size(self.hard)}; exchange them")
        return self


def _or_off(raw: object) -> timedelta | None:
    # YAML reads a bare `off` as "false".
    if raw is None or raw is False or raw == "off":
        return None
    try:
        kept = parse_duration(raw)
    except ValueError:
        kept = timedelta(0)
    if kept <= timedelta(0):
        raise ValueError(f"{raw!r} is no time to keep what is deleted; write it like '14 d', or off")
    return kept


class Spaces(Model):
    """The quotas of homes and of team spaces, where `team_quotas` overrides `team` for a team, and their trash."""

    home: Quota = Quota()
    team: Quota = Quota()
    team_quotas: Frozen[Slug, Quota] = Field(default_factory=FrozenDict, description="the quota of a team that needs another one")
    trash: Annotated[Duration | None, BeforeValidator(_or_off)] = Field(
        timedelta(days=14),
        description="how long what is deleted lies in the space's .trash, where it can be had back; or off",
        json_schema_extra=also("off", False),
    )

    def quota_of(self, team: str) -> Quota:
        """Return the quota of that team's space."""
        return self.team_quotas.get(team, self.team)
