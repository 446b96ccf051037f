"""What one identity may ask for: the platform file's limits, and how long its jobs are kept."""

from dataclasses import dataclass
from datetime import timedelta

from bowerbird_config.identity import Identity
from bowerbird_config.platform import Platform

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one identity. `rows` is what comes unasked, `most_rows` what may be asked for.

    `at_once` counts queries that are answered at once, `running` jobs that run, `all_running` those of everybody, and `jobs`
    all that are kept.
    """

    rows: int = 100_000
    most_rows: int = 10_000_000
    sync: timedelta = timedelta(minutes=2)
    run: timedelta = timedelta(hours=1)
    at_once: int = 4
    running: int = 4
    all_running: int = 8
    upload_bytes: int = 100 << 20
    jobs: int = 500
    keep: timedelta = 7 * _DAY
    most_keep: timedelta = 30 * _DAY


def allowance_of(platform: Platform, identity: Identity) -> Allowance:
    """Return what that identity may ask for."""
    limits = platform.limits.queries.of(identity)
    keep, most_keep = (_DAY, 7 * _DAY) if identity.name is None else (7 * _DAY, 30 * _DAY)
    return Allowance(
        limits.default_rows,
        limits.rows,
        limits.time,
        limits.job_time,
        limits.at_once,
        limits.jobs,
        platform.limits.queries.all_jobs,
        limits.upload,
        keep=keep,
        most_keep=most_keep,
    )
