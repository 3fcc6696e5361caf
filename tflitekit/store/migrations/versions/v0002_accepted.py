"""Which reports were accepted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "tflitekit_accepted",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("report", sa.String(64), sa.ForeignKey("tflitekit_reports.id")),
        sa.Column("accepted", sa.String(40)),
        *(sa.Column(name, sa.Text) for name in ("model", "device", "by", "note")),
    )
