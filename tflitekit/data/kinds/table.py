"""Tables, a sample a row: CSV and Parquet, with columns for each input of the model or with a column of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.files import is_file
from tflitekit.data.arrow_table import parquet_file
from tflitekit.data.csv_table import CsvTable
from tflitekit.data.kinds import data_kind
from tflitekit.data.records import Records
from tflitekit.data.table_data import open_rows

__all__: list[str] = []


@data_kind("table", takes_settings=True)
def open_table(source: Any, *, settings: Mapping[str, str], **options: Any) -> Records | None:
    """Opens a file whose name ends in ``.csv``, ``.tsv`` or ``.parquet``."""
    if not isinstance(source, str | Path) or not is_file(Path(source)):
        return None
    suffix = Path(source).suffix.lower()
    if suffix in (".csv", ".tsv"):
        return open_rows(CsvTable(Path(source)), settings, kind="csv", **options)
    if suffix in (".parquet", ".pq"):
        return open_rows(parquet_file(Path(source)), settings, kind="parquet", **options)
    return None
