"""Which samples were right, apart from the whole report, and whether the machine was noisy; both are null in reports of before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds both columns."""
    op.add_column("tflitekit_reports", sa.Column("noisy", sa.Boolean))
    op.add_column("tflitekit_reports", sa.Column("scored", sa.LargeBinary(2**32 - 1)))
