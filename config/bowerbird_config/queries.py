"""What one person's queries of tables may take."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from bowerbird_config.identity import Identity
from bowerbird_config.model import Duration, Model, Size


class QueryLimits(Model):
    """The limits of one identity; a query that asks for more is refused or cut off, and says so."""

    rows: int = Field(10_000_000, gt=0, strict=True, description="of one answer, where the query asks for so many")
    default_rows: int = Field(100_000, gt=0, strict=True, description="of one answer, where the query does not say how many")
    time: Duration = Field(timedelta(minutes=2), description="how long one synchronous query may take")
    job_time: Duration = Field(timedelta(hours=1), description="how long one asynchronous query may take")
    at_once: int = Field(4, gt=0, le=1000, strict=True, description="synchronous queries at once; further ones wait, at most for `time`")
    jobs: int = Field(4, gt=0, le=1000, strict=True, description="asynchronous queries that run at once; further ones wait")
    upload: Size = Field(100 << 20, description="of one table that comes with a query")

    @model_validator(mode="after")
    def _default_within(self) -> Self:
        if self.default_rows > self.rows:
            raise ValueError(f"'default_rows' {self.default_rows} is more than 'rows' {self.rows}; lower the one or raise the other")
        return self


_ANONYMOUS = QueryLimits(
    rows=1_000_000,
    default_rows=20_000,
    time=timedelta(seconds=30),
    job_time=timedelta(minutes=10),
    # All of them together: a page of small queries that eight people ask for in one moment is nothing unusual.
    at_once=8,
    jobs=2,
    upload=10 << 20,
)


class Queries(QueryLimits):
    """The limits of everybody who is signed in, and of all who are not, together."""

    anonymous: QueryLimits = Field(_ANONYMOUS, description="of those who are not signed in, all of them together")
    all_jobs: int = Field(8, gt=0, le=64, strict=True, description="asynchronous queries of everybody that run at once")

    def of(self, identity: Identity) -> QueryLimits:
        """Return the limits of that identity."""
        return self if identity.name is not None else self.anonymous
