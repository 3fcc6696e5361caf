"""Comma-separated numbers: one sample per line, its class last."""

from pathlib import Path

import numpy as np

from tflitekit.data.kinds import data_kind
from tflitekit.data.kinds.arrays import Arrays


@data_kind("csv")
def open_csv(source, **options):
    """Opens a file whose name ends in ``.csv``."""
    if not isinstance(source, str | Path) or not str(source).endswith(".csv"):
        return None
    table = np.loadtxt(source, delimiter=",", dtype=np.float32, ndmin=2)
    columns = {"x": table[:, :-1], "y": table[:, -1].astype(np.int64)}
    return CsvFile(columns, location=str(source), **options)


class CsvFile(Arrays):
    """A file of numbers."""

    kind = "csv"
