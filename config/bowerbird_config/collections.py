"""Collections and releases: what is published, whose it is, and until when."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from bowerbird_config.links import Link
from bowerbird_config.model import Frozen, FrozenDict, Line, Model, Moment, Slug
from bowerbird_config.tables import ReleaseTable, TableName


class Release(Model):
    """One data release: public, or proprietary to `teams` until `public_on` (for ever where that is absent).

    An `announced` one shows its title, date and contact to everybody, and never a file or a count.
    """

    title: Line
    description: str = ""
    public: bool = Field(False, description="open to everybody; else `teams` says to whom")
    teams: tuple[Slug, ...] = Field((), description="who reads it before `public_on`")
    public_on: Moment | None = Field(None, description="the second at which it opens to everybody, with its UTC offset")
    announced: bool = Field(False, description="those who may not read it see its title, date and contact")
    contact: str = Field("", description="whom to ask; the collection's or the team's where absent")
    cite: str = ""
    doi: str = ""
    licence: str = ""
    source: str = ""
    serve: Literal["files", "cutouts"] = Field("files", description="whether its images and cubes are handed out whole, or cut only")
    calib_level: int = Field(
        2, ge=0, le=4, description="how far its products are calibrated (ObsCore): 0 raw, 2 calibrated, 3 and 4 enhanced"
    )
    links: tuple[Link, ...] = Field((), description="what belongs to its files, came before them, or was made of them")
    tables: Frozen[TableName, ReleaseTable] = Field(default_factory=FrozenDict, description="what of it can be queried, by name")

    @model_validator(mode="after")
    def _one_standing(self) -> Self:
        if self.public and (self.teams or self.public_on or self.announced):
            raise ValueError("the release is public, so 'teams', 'public_on' and 'announced' say nothing; remove them or 'public'")
        if not self.public and not self.teams:
            raise ValueError("nobody may read the release; write 'public: true', or 'teams:' with those whose it is")
        if len(set(self.teams)) < len(self.teams):
            raise ValueError("a team stands twice in 'teams'; name each team once")
        return self

    def public_at(self, at: datetime) -> bool:
        """Tell whether everybody may read the release at that time."""
        return self.public or (self.public_on is not None and at >= self.public_on)


class Collection(Model):
    """A survey or another body of data, with its releases by name."""

    title: Line
    description: str = ""
    contact: str = Field("", description="whom to ask about its releases, where they do not say it themselves")
    releases: Frozen[Slug, Release]

    def contact_of(self, release: Release) -> str:
        """Return whom to ask about one of its releases; nothing where neither says."""
        return release.contact or self.contact
