"""What Alembic runs around the migrations of a store: within the transaction that `tflitekit.store.migrations.upgrade` was given."""

from __future__ import annotations

from alembic import context

from tflitekit.store.tables import VERSION

context.configure(connection=context.config.attributes["connection"], version_table=VERSION)
with context.begin_transaction():
    context.run_migrations()
