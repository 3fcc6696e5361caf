"""Numbers separated by blanks: one sample per line, its class last."""

from pathlib import Path

import numpy as np

from tflitekit.data.kinds import data_kind
from tflitekit.data.kinds.arrays import Arrays


@data_kind("dat")
def open_dat(source, **options):
    """Opens a file whose name ends in ``.dat``."""
    if not isinstance(source, str | Path) or not str(source).endswith(".dat"):
        return None
    table = np.loadtxt(source, dtype=np.float32, ndmin=2)
    columns = {"x": table[:, :-1], "y": table[:, -1].astype(np.int64)}
    return DatFile(columns, location=str(source), **options)


class DatFile(Arrays):
    """A file of numbers."""

    kind = "dat"
