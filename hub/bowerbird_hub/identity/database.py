"""Transactions of ours in the hub's own database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine

# How long a write waits, in its thread, for the hub's session to finish its own.
LOCK_SECONDS = 30


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
