"""Reports, and their variants on each device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes both tables."""
    texts = ("model", "model_sha256", "data_sha256", "commit", "kit", "device", "mlflow_run", "mlflow_link")
    op.create_table(
        "tflitekit_reports",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("added", sa.String(40)),
        sa.Column("created", sa.String(40)),
        *(sa.Column(name, sa.Text) for name in texts),
        sa.Column("content", sa.LargeBinary(2**32 - 1)),
    )
    words = ("variant", "scheme", "status", "device", "provenance", "runtime", "sha256", "metric", "output", "statistic", "protocol", "accelerator")  # fmt: skip
    numbers = ("value", "low", "high", "drop", "drop_low", "drop_high", "latency_ms", "latency_low_ms", "latency_high_ms")  # fmt: skip
    op.create_table(
        "tflitekit_variants",
        sa.Column("report", sa.String(64), sa.ForeignKey("tflitekit_reports.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text) for name in words),
        *(sa.Column(name, sa.Double) for name in numbers),
        *(sa.Column(name, sa.BigInteger) for name in ("size_bytes", "memory_bytes", "n", "threads")),
        *(sa.Column(name, sa.Boolean) for name in ("chosen", "higher_is_better")),
    )
