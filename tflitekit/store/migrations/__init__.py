"""How the tables of a store came to be, step by step: one file in ``versions`` for each change, run by Alembic."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["REVISIONS", "upgrade"]

REVISIONS = ("0001", "0002", "0003")
"""All versions of the tables, the oldest first. A new one is a file in ``versions`` and its name here."""

_LOCK = 7_476_695_273_104_230_501
"""Any number that no other program takes for a lock of PostgreSQL."""


def upgrade(connection: sa.Connection, to: str = REVISIONS[-1]) -> None:
    """Brings the tables of a database to a version, within the transaction of a connection that has begun to write.

    Two processes that find an empty database do it one after the other: PostgreSQL holds the second one at a lock, SQLite at its own.
    """
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    settings = Config()
    settings.set_main_option("script_location", "tflitekit.store:migrations")
    settings.attributes["connection"] = connection
    command.upgrade(settings, to)
