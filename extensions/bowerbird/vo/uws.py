"""UWS 1.1: the phases of a job."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a job is in its life."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    ARCHIVED = "ARCHIVED"
    UNKNOWN = "UNKNOWN"

    @property
    def active(self) -> bool:
        """Whether the job may still change by itself or be run."""
        return self in {Phase.PENDING, Phase.QUEUED, Phase.EXECUTING}

    @property
    def over(self) -> bool:
        """Whether nothing more will come of the job."""
        return self in {Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED}
