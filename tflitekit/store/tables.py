"""The tables of a store, as the newest migration leaves them. Names begin with the kit's, because a database may hold others, such as MLflow's."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["ACCEPTED", "FIGURES", "REPORTS", "VARIANTS", "VERSION"]

VERSION = "tflitekit_version"
"""Where Alembic keeps the version of the tables."""

_all = sa.MetaData()
_ID = sa.String(64)
_BLOB = sa.LargeBinary(2**32 - 1)  # MySQL chooses its type by the length

REPORTS = sa.Table(
    "tflitekit_reports",
    _all,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("added", sa.String(40)),
    sa.Column("created", sa.String(40)),
    sa.Column("model", sa.Text),
    sa.Column("model_sha256", sa.Text),
    sa.Column("data_sha256", sa.Text),
    sa.Column("commit", sa.Text),
    sa.Column("kit", sa.Text),
    sa.Column("device", sa.Text),
    sa.Column("mlflow_run", sa.Text),
    sa.Column("mlflow_link", sa.Text),
    sa.Column("noisy", sa.Boolean),
    sa.Column("content", _BLOB),
    sa.Column("scored", _BLOB),
)
FIGURES = [column for column in REPORTS.c if column.name not in ("content", "scored")]
"""What lists of reports need: all but the reports themselves."""

VARIANTS = sa.Table(
    "tflitekit_variants",
    _all,
    sa.Column("report", _ID, sa.ForeignKey(REPORTS.c.id), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    *(
        sa.Column(name, sa.Text)
        for name in ("variant", "scheme", "status", "device", "provenance", "runtime", "sha256")
    ),
    *(sa.Column(name, sa.Text) for name in ("metric", "output", "statistic", "protocol", "accelerator")),
    *(sa.Column(name, sa.Double) for name in ("value", "low", "high", "drop", "drop_low", "drop_high")),
    *(sa.Column(name, sa.Double) for name in ("latency_ms", "latency_low_ms", "latency_high_ms")),
    *(sa.Column(name, sa.BigInteger) for name in ("size_bytes", "memory_bytes", "n", "threads")),
    *(sa.Column(name, sa.Boolean) for name in ("chosen", "higher_is_better")),
)

ACCEPTED = sa.Table(
    "tflitekit_accepted",
    _all,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("report", _ID, sa.ForeignKey(REPORTS.c.id)),
    sa.Column("model", sa.Text),
    sa.Column("device", sa.Text),
    sa.Column("accepted", sa.String(40)),
    sa.Column("by", sa.Text),
    sa.Column("note", sa.Text),
)
