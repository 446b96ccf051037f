"""The hub's own database, a file or a PostgreSQL: its address, and transactions of ours in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bowerbird_config.paths import Var
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DATABASE = "BOWERBIRD_DATABASE_URL"
# How long a write waits, in its thread, for the hub's session to finish its own.
LOCK_SECONDS = 30
# SQLAlchemy would look for another driver by itself, which is not among ours.
_DRIVER = "postgresql+psycopg"


class WrongAddress(Exception):
    """The address of the database that the environment holds is none; the text is a sentence."""


def given_address(environment: Mapping[str, str]) -> str | None:
    """Return SQLAlchemy's address of the PostgreSQL that an administrator gave, with our driver; None without one.

    A password may be in it, so that WrongAddress never repeats it.
    """
    text = environment.get(DATABASE)
    if not text:
        return None
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in {"postgresql", _DRIVER}:
        raise WrongAddress(
            f"{DATABASE} is not the address of a PostgreSQL database; write it like postgresql://user:password@host:5432/bowerbird"
        )
    return url.set(drivername=_DRIVER).render_as_string(hide_password=False)


def file_address(var: Var) -> str:
    """Return SQLAlchemy's address of the file that the hub has where nobody gave another database."""
    return f"sqlite:///{var.database}"


def connect(url: str) -> Engine:
    """Return an engine for the hub's database; nothing is opened before it is used."""
    if url.startswith("sqlite"):
        return create_engine(url, connect_args={"timeout": LOCK_SECONDS})
    return create_engine(url)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that writes: all of it is kept, or none."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A transaction that begins by reading could not wait for a writer any more: SQLite answers "locked" at once.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:  # whatever stopped it, half of it is not kept
            connection.rollback()
            raise
        connection.commit()
